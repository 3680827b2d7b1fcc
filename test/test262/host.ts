/**
 * One file of test262 against `unwind/stack`, in a process of its own: `node host.ts CHECKOUT FILE sloppy|strict`. Exits
 * with 0 if it passes, and else says why. The rules are those of test262's INTERPRETING.md.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createContext, runInContext, runInThisContext } from 'node:vm'

import { AsyncDisposableStack, DisposableStack, SuppressedError } from 'unwind/stack'

import { metadataOf } from './metadata.ts'

const [checkout = '', file = '', mode = ''] = process.argv.slice(2)
const source = readFileSync(join(checkout, 'test', file), 'utf8')
const { includes, flags } = metadataOf(source)

const ours = { AsyncDisposableStack, DisposableStack, SuppressedError }
for (const [name, value] of Object.entries(ours)) define(name, value)
define('$262', { global: globalThis, createRealm, evalScript: runInThisContext })
if (flags.includes('async')) await new Promise<void>(runAsync)
else run()

/** What the global object holds, with the attributes of every built-in. */
function define(name: string, value: unknown): void {
  Object.defineProperty(globalThis, name, { value, writable: true, configurable: true })
}

/** Nothing of ours is in there: a class of this realm would only seem to belong to that one. */
function createRealm(): object {
  return { global: runInContext('globalThis', createContext()) as object }
}

function runAsync(resolve: () => void, reject: (reason: unknown) => void): void {
  define('$DONE', (failure: unknown) => {
    if (failure) reject(failure)
    else resolve()
  })
  run()
}

function run(): void {
  for (const include of ['assert.js', 'sta.js', ...includes]) {
    runInThisContext(readFileSync(join(checkout, 'harness', include), 'utf8'), include)
  }
  runInThisContext(mode === 'strict' ? `'use strict';\n${source}` : source, file)
}
