/**
 * The suite of the core on Bun and Deno: `npm run test:runtimes`, after `npm run build && npm run build:test`. Fails where more fails
 * than is known; says what is known.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'

import { list, pathOf, read } from '../support/repository.ts'
import { ofNode, runtimes, type Runtime } from './runtimes.ts'

interface Counted {
  readonly passed: number
  readonly failed: number
  readonly output: string
}

function importMap(folder: string): string {
  // The file is ours, and `test/repository/exports.test.ts` looks at its shape.
  const { exports } = JSON.parse(read('package.json')) as {
    exports: Record<string, string | { default: string }>
  }
  const imports = Object.entries(exports).map(([entry, target]) => {
    const file = typeof target === 'string' ? target : target.default
    return [`unwind${entry.slice(1)}`, new URL(file, `file://${pathOf('.')}`).href]
  })
  const path = join(folder, 'import-map.json')
  writeFileSync(path, JSON.stringify({ imports: Object.fromEntries(imports) }))
  return path
}

function pathOfRuntime({ name, package: wanted }: Runtime): string {
  const words = ['exec', '--yes', `--package=${wanted}`, '--', 'which', name.toLowerCase()]
  return execFileSync('npm', words, { encoding: 'utf8' }).trim()
}

function count(runtime: Runtime, command: string, file: string, map: string): Counted {
  const env = { ...process.env, NO_COLOR: '1' }
  const ran = spawnSync(command, runtime.words(file, map), {
    cwd: pathOf('.'),
    encoding: 'utf8',
    env,
    timeout: 120_000,
  })
  const output = ran.stdout + ran.stderr
  const [passed, failed] = [runtime.passed, runtime.failed].map((pattern) =>
    Number(pattern.exec(output)?.[1] ?? 0),
  )
  // One that ends without a word of its tests has failed.
  return { passed: passed ?? 0, failed: ran.status === 0 ? 0 : Math.max(failed ?? 0, 1), output }
}

function runAll(runtime: Runtime, map: string): boolean {
  const command = pathOfRuntime(runtime)
  const files = list('build/test/core', '.test.js').filter(
    (file) => !ofNode.includes(basename(file, '.test.js')),
  )
  let [sum, holds] = [0, true]
  for (const file of files) {
    const known = runtime.failures[basename(file, '.test.js')]
    // Where none passed, all have to be known to fail: else the file could not be loaded, or ended early.
    const tolerated = ({ passed, failed }: Counted): boolean =>
      passed > 0 ? failed <= (known?.count ?? 0) : failed === known?.count
    let counted = count(runtime, command, file, map)
    // Once more: the clocks and turns of another runtime are not what these tests were written for.
    if (!tolerated(counted)) counted = count(runtime, command, file, map)
    sum += counted.passed
    if (counted.failed > 0) console.log(`  ${file}: ${counted.failed} failed: ${known?.because}`)
    if (tolerated(counted)) continue
    console.log(counted.output)
    holds = false
  }
  console.log(`${runtime.package}: ${sum} tests of the core in ${files.length} files passed\n`)
  return holds
}

const folder = mkdtempSync(join(tmpdir(), 'unwind-runtimes-'))
try {
  const map = importMap(folder)
  const held = runtimes.map((runtime) => runAll(runtime, map))
  process.exitCode = held.every(Boolean) ? 0 : 1
} finally {
  rmSync(folder, { recursive: true })
}
