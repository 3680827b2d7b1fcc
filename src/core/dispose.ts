/**
 * Find a value's disposer, once; combine errors without losing one. The order of every chain is that of nested
 * `await using`: the newest error outside, the body's innermost.
 */
import { types } from 'node:util'
import { holds } from './errors/attempt.ts'
import { recordOf } from './errors/error-json.ts'
import { formatError, isError } from './errors/format.ts'
import { describe } from './options.ts'
import {
  hide,
  newSuppressedError,
  suppressionChain,
  type SuppressedError,
} from './standard/suppressed-error.ts'

export type Method = (this: unknown, ...parameters: never[]) => unknown

/**
 * Each symbol is read in a function of its own: a lookup by a key that varies would cost more than all the rest of `use`.
 * @throws {TypeError} where the method is there and cannot be called
 */
export function asyncDisposer(value: Partial<AsyncDisposable>): Method | undefined {
  const method: unknown = value[Symbol.asyncDispose]
  return isMethod(method) ? method : refuseMethod(value, 'Symbol.asyncDispose', method)
}

/** @throws {TypeError} where the method is there and cannot be called */
export function syncDisposer(value: Partial<Disposable>): Method | undefined {
  const method: unknown = value[Symbol.dispose]
  return isMethod(method) ? method : refuseMethod(value, 'Symbol.dispose', method)
}

function isMethod(value: unknown): value is Method {
  return typeof value === 'function'
}

function refuseMethod(value: object, name: string, method: unknown): undefined {
  if (method === undefined || method === null) return undefined
  throw new TypeError(`Expected [${name}] of ${describe(value)} to be a function.`)
}

/** Functions can carry a dispose method too. */
export function isObject(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function'
}

/** What `await` would wait for, native promise or not. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return isObject(value) && typeof (value as { readonly then?: unknown }).then === 'function'
}

/** One of the engine, of whatever realm, or of what a program put in its place, as zone.js does. */
export function isPromise(value: unknown): value is Promise<unknown> {
  if (types.isPromise(value)) return true
  // What has no `then` may refuse to tell its prototype; and of the engine's class, all else only looks like one.
  return isThenable(value) && value instanceof Promise && !types.isPromise(new Promise(ignore))
}

/** A promise that settles once, as `thenable` does; also where that has a `then` of its own, which may call back twice. */
export function promiseOf<T>(thenable: T): Promise<Awaited<T>> {
  const promise = Promise.resolve(thenable)
  return promise.then === Promise.prototype.then
    ? promise
    : new Promise((resolve) => resolve(promise))
}

/** What fails here is told elsewhere, or nothing happens. */
export function ignore(): void {}

/**
 * An error while an earlier one was on its way. Node.js shows neither of the two, in the console, in a crash or in JSON,
 * so that this one's own stack says what it holds.
 */
export function suppress(error: unknown, suppressed: unknown): SuppressedError {
  const made = newSuppressedError(error, suppressed)
  Object.defineProperty(made, 'stack', {
    get: () => formatError(made),
    set(value: unknown) {
      hide(made, 'stack', value)
    },
    configurable: true,
  })
  return recorded(made)
}

/** Several errors that nobody ranked. */
export function aggregate(errors: readonly unknown[], message: string): AggregateError {
  return recorded(new AggregateError(errors, message))
}

/** What is not ours gets the form for logs as a property of its own. */
function recorded<E extends Error>(error: E): E {
  return hide(error, 'toJSON', () => recordOf(error))
}

/**
 * The body's error under a chain of `SuppressedError`s: what a server should answer from. Any other value is its own
 * primary error. Recognised by shape, because helpers and polyfills have classes of their own.
 */
export function primaryError(error: unknown): unknown {
  return suppressionChain(error).at(-1)
}

/** Whether `error` is how something says that it was aborted with `reason`: no news for whoever aborted it. */
export function isEcho(error: unknown, reason: unknown): boolean {
  if (error === reason) return true
  return holds(() => isError(error) && error.name === 'AbortError' && error.cause === reason)
}
