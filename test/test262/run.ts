/**
 * test262 against `unwind/stack`: `npm run test:test262 -- CHECKOUT`, a clone of github.com/tc39/test262; on another Node.js
 * `node build/test/test262/run.js CHECKOUT`, after that. Fails where a file fails that is not known to, or where one passes
 * that is.
 */
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { known } from './known.ts'
import { metadataOf } from './metadata.ts'

const folders = [
  'AsyncDisposableStack',
  'DisposableStack',
  'SuppressedError',
  'Symbol/asyncDispose',
  'Symbol/dispose',
]

const checkout = process.argv[2]
if (checkout === undefined) throw new TypeError('usage: node test/test262/run.ts CHECKOUT')
process.exitCode = (await runAll(checkout)) ? 0 : 1

async function runAll(from: string): Promise<boolean> {
  const failures = new Map<string, string>()
  const files = folders.flatMap((folder) => filesIn(from, folder))
  const queue = files.values()
  // They share the queue.
  const lanes = Array.from({ length: availableParallelism() }, async () => {
    for (const file of queue) {
      const failure = await failureOf(from, file).catch(String)
      if (failure !== undefined) failures.set(file, failure)
    }
  })
  await Promise.all(lanes)
  for (const folder of folders) {
    const all = files.filter((file) => file.startsWith(`${folder}/`))
    console.log(`${folder}: ${all.filter((file) => !failures.has(file)).length} of ${all.length}`)
  }
  return report(files, failures)
}

function report(files: readonly string[], failures: ReadonlyMap<string, string>): boolean {
  console.log(
    `Node.js ${process.versions.node}: ${files.length - failures.size} of ${files.length}`,
  )
  let expected = true
  for (const file of files) {
    const failure = failures.get(file)
    if (failure !== undefined && file in known) console.log(`fails: ${file}: ${known[file]}`)
    else if (failure !== undefined) console.log(`FAILS: ${file}: ${failure}`)
    else if (file in known) console.log(`PASSES, and is known to fail: ${file}`)
    expected &&= (failure !== undefined) === file in known
  }
  return expected && files.length > 0
}

function filesIn(from: string, folder: string): string[] {
  return readdirSync(join(from, 'test/built-ins', folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.js'))
    .map((name) => `${folder}/${name.replaceAll('\\', '/')}`)
    .toSorted()
}

/** Why a file does not pass, in one of the modes that it wants. */
async function failureOf(from: string, file: string): Promise<string | undefined> {
  const path = join('built-ins', file)
  const { flags } = metadataOf(readFileSync(join(from, 'test', path), 'utf8'))
  if (!flags.includes('onlyStrict')) {
    const failure = await failureIn('sloppy', from, path)
    if (failure !== undefined) return failure
  }
  return flags.includes('noStrict') ? undefined : await failureIn('strict', from, path)
}

async function failureIn(mode: string, from: string, path: string): Promise<string | undefined> {
  // Beside this file, as it is written or as it is compiled.
  const host = fileURLToPath(import.meta.url.replace(/run(\.[jt]s)$/, 'host$1'))
  return await new Promise((resolve) => {
    execFile(
      process.execPath,
      [host, from, path, mode],
      { timeout: 30_000 },
      (error, _, stderr) => {
        resolve(error === null ? undefined : `${mode}: ${stderr.trim() || error.message}`)
      },
    )
  })
}
