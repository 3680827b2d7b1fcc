/**
 * Options are checked at the door: an unknown key or a wrong value is a TypeError that names the option, what was
 * expected, and what was received.
 */
import { inspect, types } from 'node:util'
import { attempt } from './errors/attempt.ts'

/** What an option accepts, in words and as a test. */
export interface Rule {
  readonly expected: string
  readonly accepts: (value: unknown) => boolean
}

/** An upper bound of Node's timers: a longer delay would fire at once. */
export const longestDelay: number = 2 ** 31 - 1

export const milliseconds: Rule = {
  expected: `a number of milliseconds from 0 to ${longestDelay}`,
  accepts: (value) => typeof value === 'number' && value >= 0 && value <= longestDelay,
}
export const count: Rule = {
  expected: 'a whole number from 0',
  accepts: (value) => Number.isSafeInteger(value) && Number(value) >= 0,
}
export const flag: Rule = {
  expected: 'true or false',
  accepts: (value) => typeof value === 'boolean',
}
export const text: Rule = { expected: 'a string', accepts: (value) => typeof value === 'string' }
export const callable: Rule = {
  expected: 'a function',
  accepts: (value) => typeof value === 'function',
}
export const iterable: Rule = {
  expected: 'an iterable',
  accepts: (value) => isObject(value) && Symbol.iterator in value,
}
export const abortSignal: Rule = {
  expected: 'an AbortSignal',
  accepts: (value) => isObject(value) && 'aborted' in value && 'addEventListener' in value,
}

export function oneOf(...values: readonly unknown[]): Rule {
  return {
    expected: values.map((value) => inspect(value)).join(' or '),
    accepts: (value) => values.includes(value),
  }
}

/**
 * An option that is `undefined` counts as absent.
 * @throws {TypeError} naming `where`, the option, what was expected and what was received
 */
export function checkOptions(
  where: string,
  options: unknown,
  rules: Readonly<Record<string, Rule>>,
): void {
  if (options === undefined) return
  // Of a map, a signal or an instance the keys are not its own, and would be passed over in silence.
  if (!isObject(options) || !isPlain(options)) {
    throw expected(`the options of ${where}`, 'a plain object', options)
  }
  for (const [key, value] of Object.entries(options)) {
    const rule = Object.hasOwn(rules, key) ? rules[key] : undefined
    if (rule === undefined) throw unknownOption(where, key, Object.keys(rules))
    if (value !== undefined && !rule.accepts(value)) {
      throw expected(`option \`${key}\` of ${where}`, rule.expected, value)
    }
  }
}

/**
 * The body of `where(body)` or `where(options, body)`.
 * @throws {TypeError} where it is none, or where the options come after it
 */
export function bodyOf<B extends (...given: never[]) => unknown>(
  where: string,
  first: B | object | undefined,
  second: B | undefined,
): B {
  if (typeof first === 'function' && second !== undefined) {
    throw expected(`the options of ${where}`, 'its first argument and the body its second', second)
  }
  const body = second ?? first
  checkFunction(`the body given to ${where}`, body)
  // Just checked.
  return body as B
}

/** @throws {TypeError} naming `what` */
export function checkFunction(what: string, value: unknown): asserts value is Function {
  if (typeof value !== 'function') throw expected(what, 'a function', value)
}

/** By its text, because a function that was frozen looks like a class otherwise. */
export function isClass(value: unknown): boolean {
  return typeof value === 'function' && /^class\b/.test(Function.prototype.toString.call(value))
}

/** @throws {TypeError} naming `what`; default: the first argument of `where` */
export function checkApp(
  where: string,
  app: unknown,
  what: string = `the first argument of ${where}`,
): void {
  if (isObject(app) && 'kind' in app && app.kind === 'app') return
  throw expected(what, 'an app, made by createApp()', app)
}

/** The one form of a complaint about an argument. */
export function expected(what: string, wanted: string, received: unknown): TypeError {
  return new TypeError(`Expected ${what} to be ${wanted}, received ${describe(received)}.`)
}

function unknownOption(where: string, key: string, known: readonly string[]): TypeError {
  return new TypeError(`Unknown option \`${key}\` of ${where}. Known: ${known.join(', ')}.`)
}

/** Not in the value's own way: that is code of somebody else, which may throw. */
const briefly = { customInspect: false, depth: 0, breakLength: Infinity, maxStringLength: 60 }

/** A value in a few words, for messages. */
export function describe(value: unknown): string {
  // Looking at one calls its traps.
  if (types.isProxy(value)) return 'a proxy'
  return attempt(() => inFewWords(value)) ?? 'a value that cannot be looked at'
}

function inFewWords(value: unknown): string {
  // What it is says more than what is inside of it.
  if (isInstance(value)) return `an instance of ${value.constructor.name}`
  const shown = inspect(value, briefly)
  return shown.length > 80 ? `${shown.slice(0, 79)}…` : shown
}

function isInstance(value: unknown): value is { readonly constructor: { readonly name: string } } {
  if (!isObject(value) || isPlain(value) || Array.isArray(value)) return false
  // A class may have something else by that name.
  return typeof value.constructor?.name === 'string' && value.constructor.name !== ''
}

/** As an object literal makes it, in any realm. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
