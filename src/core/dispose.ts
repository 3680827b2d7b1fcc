/**
 * Find a value's disposer, once; combine errors without losing one. The order of every chain is that of nested
 * `await using`: the newest error outside, the body's innermost.
 */
import { inspect } from 'node:util'

export type Method = (this: unknown, ...parameters: never[]) => unknown

/** @throws {TypeError} where the method is there and cannot be called */
export function asyncDisposer(value: object): Method | undefined {
  return methodOf(value, Symbol.asyncDispose, 'Symbol.asyncDispose')
}

/** @throws {TypeError} where the method is there and cannot be called */
export function syncDisposer(value: object): Method | undefined {
  return methodOf(value, Symbol.dispose, 'Symbol.dispose')
}

function methodOf(value: object, key: symbol, name: string): Method | undefined {
  // Reading an unknown key is what looking a disposer up means; the type is checked in the next line.
  const method = (value as Record<symbol, unknown>)[key]
  if (method === undefined || method === null) return undefined
  if (typeof method === 'function') return method as Method
  throw new TypeError(`Expected [${name}] of ${describe(value)} to be a function.`)
}

/** Functions can carry a dispose method too. */
export function isObject(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function'
}

/** What `await` would wait for, native promise or not. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return isObject(value) && 'then' in value && typeof value.then === 'function'
}

/** A value in a few words, for messages. */
export function describe(value: unknown): string {
  return inspect(value, { depth: 0, breakLength: Infinity, maxStringLength: 60 })
}

interface SuppressedErrorConstructor {
  new (error: unknown, suppressed: unknown, message?: string): SuppressedError
  (error: unknown, suppressed: unknown, message?: string): SuppressedError
  readonly prototype: SuppressedError
}

/** The global one, or on Node.js 22, which has none, a class of the same behaviour. */
export const SuppressedErrorClass: SuppressedErrorConstructor =
  'SuppressedError' in globalThis ? globalThis.SuppressedError : defineSuppressedError()

/** An error while an earlier one was on its way. The message is the one that V8 gives. */
export function suppress(error: unknown, suppressed: unknown): SuppressedError {
  return new SuppressedErrorClass(error, suppressed, 'An error was suppressed during disposal')
}

/**
 * The body's error under a chain of `SuppressedError`s: what a server should answer from. Any other value is its own
 * primary error. Recognised by shape, because helpers and polyfills have classes of their own.
 */
export function primaryError(error: unknown): unknown {
  let primary = error
  while (isSuppressedError(primary)) primary = primary.suppressed
  return primary
}

export function isSuppressedError(error: unknown): error is SuppressedError {
  return (
    error instanceof Error &&
    error.name === 'SuppressedError' &&
    'error' in error &&
    'suppressed' in error
  )
}

function defineSuppressedError(): SuppressedErrorConstructor {
  function SuppressedError(error: unknown, suppressed: unknown, message?: unknown): object {
    // Reflect.construct makes a real error (with a stack) whose prototype is that of the class called.
    const made = Reflect.construct(
      Error,
      message === undefined ? [] : [String(message)],
      new.target ?? SuppressedError,
    ) as object
    hidden(made, 'error', error)
    hidden(made, 'suppressed', suppressed)
    return made
  }
  Object.setPrototypeOf(SuppressedError, Error)
  SuppressedError.prototype = Object.create(Error.prototype) as object
  hidden(SuppressedError.prototype, 'constructor', SuppressedError)
  hidden(SuppressedError.prototype, 'name', 'SuppressedError')
  hidden(SuppressedError.prototype, 'message', '')
  Object.defineProperty(SuppressedError, 'prototype', { writable: false })
  // A function that builds errors when called or constructed has the constructor's type only by description.
  return SuppressedError as unknown as SuppressedErrorConstructor
}

function hidden(target: object, key: string, value: unknown): void {
  Object.defineProperty(target, key, { value, writable: true, configurable: true })
}

/** Whether `error` is how something says that it was aborted with `reason`: no news for whoever aborted it. */
export function isEcho(error: unknown, reason: unknown): boolean {
  if (error === reason) return true
  return error instanceof Error && error.name === 'AbortError' && error.cause === reason
}
