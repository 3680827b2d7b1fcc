/** Ours and, where there is one, the native implementation of the standard's stacks, put to the same tests. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AsyncDisposableStack, DisposableStack, SuppressedError } from 'unwind/stack'

export interface Stacks {
  readonly DisposableStack: typeof DisposableStack
  readonly AsyncDisposableStack: typeof AsyncDisposableStack
  readonly SuppressedError: typeof SuppressedError
}

const ours: Stacks = { DisposableStack, AsyncDisposableStack, SuppressedError }
/** Not on Node.js 22. */
const native =
  'AsyncDisposableStack' in globalThis
    ? // The global ones have the shape of the standard, as ours have.
      (globalThis as unknown as Stacks)
    : undefined

/**
 * The promise holds for ours and for the native ones, and what `behaviour` returns is the same for both: what it saw, in
 * comparable form.
 */
export function same(promise: string, behaviour: (stacks: Stacks) => unknown): void {
  void test(promise, async () => {
    const seen = await behaviour(ours)
    if (native !== undefined) assert.deepEqual(seen, await behaviour(native))
  })
}

/** An object that writes its disposals down. */
export function disposable(name: string, events: unknown[]): Disposable {
  return { [Symbol.dispose]: () => void events.push(name) }
}

/** The attributes of every own property, functions as name and length. */
export function shapeOf(object: object): Record<string, unknown> {
  const keys = Reflect.ownKeys(object).toSorted((a, b) => (String(a) < String(b) ? -1 : 1))
  return Object.fromEntries(
    keys.map((key) => [String(key), attributesOf(object, key)] satisfies [string, unknown]),
  )
}

function attributesOf(object: object, key: PropertyKey): unknown {
  const descriptor: object = Object.getOwnPropertyDescriptor(object, key) ?? {}
  const entries = Object.entries(descriptor).map(([name, value]) => [name, brief(value)])
  return { value: undefined, get: undefined, set: undefined, ...Object.fromEntries(entries) }
}

function brief(value: unknown): unknown {
  if (typeof value !== 'function') return typeof value === 'object' ? 'object' : value
  const isConstructor = 'prototype' in value
  return `${isConstructor ? 'constructor' : 'method'} ${value.name}/${value.length}`
}

/** Turns of the microtask queue until `promise` has settled. */
export async function turnsOf(promise: PromiseLike<unknown>): Promise<number> {
  const state = { settled: false }
  const settle = (): void => {
    state.settled = true
  }
  promise.then(settle, settle)
  for (let turns = 0; turns < 1_000; turns++) {
    if (state.settled) return turns
    await Promise.resolve()
  }
  throw new Error('Still pending after 1,000 turns.')
}
