/**
 * `SuppressedError` of the standard: the global one, or on Node.js 22, which has none, a class that cannot be told from
 * it but by its source text. Steps are those of `SuppressedError ( error, suppressed, message )`.
 */

import { holds } from '../errors/attempt.ts'

/**
 * An error that was thrown while an earlier one was on its way. It is what the global type says, which a program has only
 * with the library `esnext.disposable`.
 */
export interface SuppressedError extends Error {
  /** What was thrown last. */
  // oxlint-disable-next-line typescript/no-explicit-any -- as it is there
  error: any
  /** What was on its way before, and would be lost without this. */
  // oxlint-disable-next-line typescript/no-explicit-any -- as it is there
  suppressed: any
}

/** What both kinds have in common. */
interface SuppressedErrorConstructor {
  new (error?: unknown, suppressed?: unknown, message?: string): SuppressedError
  (error?: unknown, suppressed?: unknown, message?: string): SuppressedError
  readonly prototype: SuppressedError
}

/**
 * The standard's class: the global one where there is one, else one of the same behaviour. `suppressed` is what was on its
 * way when `error` was thrown.
 */
export const SuppressedError: SuppressedErrorConstructor =
  'SuppressedError' in globalThis ? globalThis.SuppressedError : defineSuppressedError()

/** An error while an earlier one was on its way. The standard sets no message; this one is V8's. */
export function newSuppressedError(error: unknown, suppressed: unknown): SuppressedError {
  return new SuppressedError(error, suppressed, 'An error was suppressed during disposal')
}

/** Recognised by shape, because helpers and polyfills have classes of their own. */
export function isSuppressedError(error: unknown): error is SuppressedError {
  return typeof error === 'object' && error !== null && holds(() => hasShape(error))
}

function hasShape(error: object): boolean {
  return (
    'error' in error && 'suppressed' in error && 'name' in error && error.name === 'SuppressedError'
  )
}

/**
 * `error`, and below it what was suppressed, down to the first failure. A circle, which nothing of ours makes, ends before
 * it repeats itself.
 */
export function suppressionChain(error: unknown): unknown[] {
  const chain = new Set([error])
  for (let at = error; isSuppressedError(at) && !chain.has(at.suppressed); chain.add(at)) {
    at = at.suppressed
  }
  return [...chain]
}

/** The class as Node.js 24 has it, for where it is missing. */
function defineSuppressedError(): SuppressedErrorConstructor {
  const prototype = Object.create(Error.prototype) as object
  // A function, because it can be called without `new`.
  // oxlint-disable-next-line no-shadow -- its name is a part of the standard
  function SuppressedError(
    this: unknown,
    error: unknown,
    suppressed: unknown,
    message: unknown,
  ): object {
    // 1. If NewTarget is undefined, let newTarget be the active function object.
    const newTarget = new.target ?? SuppressedError
    // 2. OrdinaryCreateFromConstructor(newTarget, "%SuppressedError.prototype%", « [[ErrorData]] »).
    // 3. If message is not undefined: ToString(message), then "message". `Error` does both, in this order.
    const made = newError(
      newTarget === SuppressedError ? prototype : derived(this, newTarget, prototype),
      message,
    )
    Error.captureStackTrace(made, newTarget)
    // 4. CreateNonEnumerableDataPropertyOrThrow(O, "error", error).
    hide(made, 'error', error)
    // 5. CreateNonEnumerableDataPropertyOrThrow(O, "suppressed", suppressed).
    hide(made, 'suppressed', suppressed)
    // 6. Return O.
    return made
  }
  hide(prototype, 'constructor', SuppressedError)
  hide(prototype, 'name', 'SuppressedError')
  hide(prototype, 'message', '')
  Object.defineProperty(SuppressedError, 'prototype', { value: prototype, writable: false })
  Object.setPrototypeOf(SuppressedError, Error)
  // A function that makes errors, called or constructed, has the constructor's type only by description.
  return SuppressedError as unknown as SuppressedErrorConstructor
}

/**
 * GetPrototypeFromConstructor: `made` was given the prototype of `newTarget`, or `Object.prototype` where that is none.
 * Only then is it read a second time.
 */
function derived(made: unknown, newTarget: Function, fallback: object): object {
  const given = Object.getPrototypeOf(made) as object
  if (Object.getPrototypeOf(given) !== null) return given
  const own: unknown = newTarget.prototype
  return Object(own) === own ? given : fallback
}

/** An error with a stack and any prototype: the constructor is only asked for that. */
function newError(prototype: object, message: unknown): object {
  const target = Object.assign(function target(): void {}, { prototype })
  return Reflect.construct(Error, message === undefined ? [] : [message], target) as object
}

/** A property as the language has its own: not enumerable. */
export function hide<T extends object>(target: T, key: string, value: unknown): T {
  return Object.defineProperty(target, key, { value, writable: true, configurable: true })
}
