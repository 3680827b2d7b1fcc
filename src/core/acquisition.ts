/**
 * One try at acquiring, in whichever form the resource was written: what to wait for, the value that comes of it, and
 * what is owed for it.
 */
import type { Completion } from './completion.ts'
import {
  asyncDisposer,
  describe,
  isObject,
  isThenable,
  syncDisposer,
  type Method,
} from './dispose.ts'
import type { AcquireContext, Exit, ResourceSpec } from './types.ts'

export interface Acquisition<T> {
  /** What to wait for, if it is a promise. */
  readonly pending: unknown
  /** The value, from what the waiting gave. From here on it is to be released. */
  settle(awaited: unknown): T
  /** `undefined` until settled, and where there is nothing to release. */
  readonly release: Release | undefined
}

export type Release = (exit: Exit, completion: Completion) => unknown

/** `acquire` and `release`, or the value's own disposer. */
export class SpecAcquisition<T> implements Acquisition<T> {
  readonly pending: unknown
  release: Release | undefined = undefined
  readonly #name: string
  readonly #spec: ResourceSpec<T>

  constructor(name: string, spec: ResourceSpec<T>, context: AcquireContext) {
    this.#name = name
    this.#spec = spec
    this.pending = spec.acquire(context)
  }

  settle(awaited: unknown): T {
    refuseThenable(this.#name, awaited)
    // What `acquire` resolves to is a T by its signature.
    const value = awaited as T
    const spec = this.#spec
    this.release =
      spec.release === undefined ? ownDisposer(value) : (exit) => spec.release?.(value, exit)
    return value
  }
}

/** Looked up once: replacing the method later changes nothing. */
function ownDisposer(value: unknown): (() => unknown) | undefined {
  if (!isObject(value)) return undefined
  const method: Method | undefined = asyncDisposer(value)
  if (method !== undefined) return () => method.call(value)
  const sync = syncDisposer(value)
  if (sync === undefined) return undefined
  return () => {
    sync.call(value)
  }
}

/**
 * `await` and `yield` would unwrap it, and the resource would be something else.
 * @throws {TypeError}
 */
export function refuseThenable(name: string, value: unknown): void {
  if (!isThenable(value)) return
  throw new TypeError(
    `The value of the resource "${name}" has a then() method (${describe(value)}), so await would run it. Wrap it in an object: { query: value }.`,
  )
}
