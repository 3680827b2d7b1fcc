/**
 * `npm run coverage`: what no test runs of src/core; exits with 1 if there is anything. The sources are what runs, with
 * their types blanked out: what is compiled of them has branches that nobody wrote, those of lowered syntax.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempDisposableSync, readdirSync, readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

import { nodeOf } from './node-of.ts'
import { list, pathOf, read } from './repository.ts'

/** Beside those of the core, some of whom the core does something for that no program can ask it for. */
const asWritten = [
  'test/core/**/*.test.ts',
  'test/{otel,testing}/*.test.ts',
  'test/inspector/{picture,stream}.test.ts',
  'test/{pg,sqlite}/lent.test.ts',
  'test/pg/{after-the-end,given-up-waits,lease,pool}.test.ts',
  'test/servers/{every-end,every-server,graceful,listen,server-timing,two-copies}.test.ts',
  'test/ws/serve.test.ts',
]
/** Node.js 22 has no SuppressedError and no context frames. It cannot read `await using`, so its tests are compiled. */
const on22 = [
  'build/test/core/context.test.js',
  'build/test/core/standard/suppressed-error.test.js',
]

/** Types and comments alone, the end of a block that is always left before, a function that does nothing. */
const nothing = /^[\s})\];,]*$|^\s*(?:function )?\w*\(\)\s*(?:=>)?\s*\{\s*\}$/

/** It runs where a bundler has made one file of the core and a program (test/servers/two-copies), which has other places. */
const elsewhere = new Map([
  ['src/core/place.ts', ['return []', ': pathToFileURL(place)', "?? 'unknown'"]],
])

/** What V8 writes when a process ends, as far as it is looked at. */
interface Dump {
  readonly result: readonly {
    readonly url: string
    readonly functions: readonly { readonly ranges: readonly Range[] }[]
  }[]
}

interface Range {
  readonly startOffset: number
  readonly endOffset: number
  readonly count: number
}

process.exitCode = main(process.argv.slice(2))

function main(flags: string[]): number {
  using folder = mkdtempDisposableSync(join(tmpdir(), 'unwind-coverage-'))
  for (const tests of [asWritten, ['--node', nodeOf('22'), ...on22]]) {
    const code = runTests([...flags, ...tests], folder.path)
    if (code !== 0) return code
  }
  return report(ranIn(folder.path))
}

function runTests(parameters: string[], folder: string): number {
  const { status } = spawnSync(process.execPath, [pathOf('test/support/run.ts'), ...parameters], {
    stdio: 'inherit',
    env: {
      ...process.env,
      NODE_V8_COVERAGE: folder,
      NODE_OPTIONS: `--import ${pathToFileURL(pathOf('test/support/as-written.ts')).href}`,
    },
  })
  return status ?? 1
}

/** By URL: for each character whether it ran, in any of the processes. */
function ranIn(folder: string): Map<string, Uint8Array> {
  const ran = new Map<string, Uint8Array>()
  for (const file of readdirSync(folder)) {
    const { result } = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Dump
    for (const { url, functions } of result) {
      if (!url.includes('/src/core/')) continue
      const here = paint(functions.flatMap(({ ranges }) => ranges))
      const before = ran.get(url)
      ran.set(url, before === undefined ? here : here.map((one, at) => one | (before[at] ?? 0)))
    }
  }
  return ran
}

/** The count of a range holds but for what is said of smaller ones in it. */
function paint(ranges: Range[]): Uint8Array {
  const sizeOf = ({ startOffset, endOffset }: Range): number => endOffset - startOffset
  const outermostFirst = ranges.toSorted((one, other) => sizeOf(other) - sizeOf(one))
  const painted = new Uint8Array(outermostFirst[0]?.endOffset ?? 0)
  for (const { startOffset, endOffset, count } of outermostFirst) {
    painted.fill(count > 0 ? 1 : 0, startOffset, endOffset)
  }
  return painted
}

function report(ran: Map<string, Uint8Array>): number {
  const files = list('src/core', '.ts')
  const missing = files.flatMap((path) => {
    const here = ran.get(pathToFileURL(pathOf(path)).href)
    return gapsOf(read(path), here ?? new Uint8Array())
      .filter((gap) => !elsewhere.get(path)?.some((known) => gap.endsWith(` ${known}`)))
      .map((gap) => `${path}:${gap}`)
  })
  console.log(
    [...missing, `${missing.length} parts of ${files.length} files never ran.`].join('\n'),
  )
  return missing.length === 0 ? 0 : 1
}

/** What never ran, from its first character on. */
function gapsOf(source: string, ran: Uint8Array): string[] {
  const blanked = stripTypeScriptTypes(source)
  const code = blanked.replace(/\/\*[^]*?\*\/|\/\/ .*/g, (comment) => ' '.repeat(comment.length))
  const gaps: string[] = []
  for (let from = 0; from < code.length; from += 1) {
    const start = from
    while (from < code.length && ran[from] !== 1) from += 1
    const gap = code.slice(start, from)
    if (nothing.test(gap)) continue
    const first = start + gap.search(/\S/)
    const line = source.slice(0, first).split('\n').length
    const column = first - source.lastIndexOf('\n', first - 1)
    gaps.push(`${line}:${column} ${source.slice(first, from).trim().split('\n', 1)[0]}`)
  }
  return gaps
}
