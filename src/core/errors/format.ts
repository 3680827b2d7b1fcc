/**
 * An error as a text for people: the primary error first, then what failed while releasing, with causes and parts.
 * Whatever was thrown, however it is knotted, this neither throws nor hangs.
 */
import { inspect } from 'node:util'
import { attempt } from './attempt.ts'
import { originOf } from './origin.ts'
import { isSuppressedError } from '../standard/suppressed-error.ts'

/** Causes and parts below this are left out. */
const deepest = 16

/** What is told in another place than among the fields. */
const told = new Set(['name', 'message', 'stack', 'cause', 'errors', 'error', 'suppressed'])

/**
 * An error as a text of several lines: the primary error with its stack, its causes and the parts of an AggregateError;
 * then what failed while releasing, oldest first, each with the name of its resource where that is known. Takes whatever
 * was thrown, and never throws.
 *
 * @example
 * ```ts
 * console.error(formatError(error))
 * ```
 */
export function formatError(error: unknown): string {
  return linesOf(error, '', new Set(), 0).join('\n')
}

/** @param label what stands before the first line */
function linesOf(error: unknown, label: string, shown: Set<unknown>, depth: number): string[] {
  if (depth > deepest) return [`${label}…`]
  const { primary, failures } = takeApart(error, shown)
  const lines = `${label}${textOf(primary, shown)}`.split('\n')
  const nested = (part: unknown, name: string): void => {
    for (const line of linesOf(part, name, shown, depth + 1)) lines.push(`  ${line}`)
  }
  for (const [name, part] of partsOf(primary, shown)) nested(part, name)
  for (const failure of failures) nested(failure, 'then, ')
  return lines
}

/** The error that a chain of SuppressedErrors began with, and what failed after that, oldest first. */
export function takeApart(
  error: unknown,
  shown: Set<unknown>,
): { readonly primary: unknown; readonly failures: readonly unknown[] } {
  const failures: unknown[] = []
  let primary = error
  while (isSuppressedError(primary) && !shown.has(primary)) {
    shown.add(primary)
    failures.unshift(read(primary, 'error'))
    primary = read(primary, 'suppressed')
  }
  return { primary, failures }
}

/** Where it failed, its stack, and its other fields. The second time, only what it was. */
function textOf(error: unknown, shown: Set<unknown>): string {
  const release = originOf(error)
  const place = release === undefined ? '' : `while releasing "${release}": `
  if (!isError(error)) return `${place}${show(error)} was thrown`
  if (shown.has(error)) return `${place}${headline(error)} (see above)`
  return `${place}${stackOf(error)}${fieldsOf(error)}`
}

/** Its cause, then the parts of an AggregateError. Of an error that was shown before, nothing. */
function partsOf(error: unknown, shown: Set<unknown>): (readonly [label: string, part: unknown])[] {
  if (!isError(error) || shown.has(error)) return []
  shown.add(error)
  const cause = read(error, 'cause')
  const parts = read(error, 'errors')
  const causes = cause === undefined ? [] : [['caused by: ', cause] as const]
  if (!Array.isArray(parts)) return causes
  return [
    ...causes,
    ...parts.map((part: unknown, index) => [`${index + 1} of ${parts.length}: `, part] as const),
  ]
}

/** A stack begins with the message as it was when the error was made. */
function stackOf(error: object): string {
  const stack = textIn(error, 'stack')
  if (stack === '') return headline(error)
  // Before its frames: the name of a file says as little as any other word there.
  const [at, frames] = [stack.indexOf(textIn(error, 'message')), stack.search(/^ {4}at /m)]
  const isSaid = at !== -1 && (frames === -1 || at < frames)
  return isSaid ? stack : `${headline(error)}\n${stack}`
}

function headline(error: object): string {
  const name = textIn(error, 'name') || 'Error'
  const message = textIn(error, 'message')
  return message === '' ? name : `${name}: ${message}`
}

/** Such as `code`, in braces. */
function fieldsOf(error: object): string {
  const keys = attempt(() => Object.keys(error)) ?? []
  const entries = keys.map((key) => [key, read(error, key)] as const)
  const fields = entries.filter(([key, value]) => !told.has(key) && value !== undefined)
  return fields.length === 0 ? '' : ` ${show(Object.fromEntries(fields))}`
}

/** By shape: errors of other realms and of other libraries are errors too. */
export function isError(value: unknown): value is Error {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof read(value, 'message') === 'string' &&
    (typeof read(value, 'name') === 'string' || typeof read(value, 'stack') === 'string')
  )
}

/** Of another realm by its name, of this one also where a class of its own has another. */
export function isAggregate(error: Error): error is AggregateError {
  const named = read(error, 'name') === 'AggregateError'
  const derived = attempt(() => error instanceof AggregateError) === true
  return (named || derived) && Array.isArray(read(error, 'errors'))
}

function read(value: object, key: string): unknown {
  return attempt((): unknown => Reflect.get(value, key))
}

function textIn(value: object, key: string): string {
  const text = read(value, key)
  return typeof text === 'string' ? text : ''
}

/** A value in a line, whatever it is. */
export function show(value: unknown): string {
  const shown = attempt(() => inspect(value, { depth: 1, breakLength: 100, customInspect: false }))
  return shown ?? 'a value that cannot be shown'
}
