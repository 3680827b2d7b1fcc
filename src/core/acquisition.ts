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

/** Who acquires: it knows what its dependencies gave it. */
export interface Borrower {
  borrowed(value: unknown): boolean
}

export interface Acquisition<T> {
  /** What to wait for, if it is a promise. */
  readonly pending: unknown
  /** The value, from what the waiting gave. From here on it is to be released. */
  settle(awaited: unknown, borrower: Borrower): T
  /** Whether there is something to release; known once it is settled. */
  readonly owes: boolean
  release(value: T, exit: Exit, completion: Completion): unknown
}

/** `acquire` and `release`, or the value's own disposer. */
export class SpecAcquisition<T> implements Acquisition<T> {
  readonly pending: unknown
  owes = true
  readonly #name: string
  readonly #spec: ResourceSpec<T>
  /** The value's own. Looked up once: replacing the method later changes nothing. */
  #disposer: Method | undefined = undefined
  #awaitsDisposer = false

  constructor(name: string, spec: ResourceSpec<T>, context: AcquireContext) {
    this.#name = name
    this.#spec = spec
    this.pending = spec.acquire(context)
  }

  settle(awaited: unknown, borrower: Borrower): T {
    refuseThenable(this.#name, awaited)
    if (this.#spec.release === undefined) this.#findDisposer(awaited, borrower)
    // What `acquire` resolves to is a T by its signature.
    return awaited as T
  }

  release(value: T, exit: Exit): unknown {
    if (this.#spec.release !== undefined) return this.#spec.release(value, exit)
    const disposed = this.#disposer?.call(value)
    return this.#awaitsDisposer ? disposed : undefined
  }

  /** What a dependency lent is released by that dependency. */
  #findDisposer(value: unknown, borrower: Borrower): void {
    const found = isObject(value) ? value : {}
    const method = asyncDisposer(found)
    this.#awaitsDisposer = method !== undefined
    this.#disposer = method ?? syncDisposer(found)
    this.owes = this.#disposer !== undefined && !borrower.borrowed(value)
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
