/**
 * The cursors and streams of the driver (`pg-cursor`, `pg-query-stream`), read through a cursor of ours: theirs would
 * keep the connection busy after its release, wait for ever on one that is dead, and take its death for the end.
 */
import { callbackify } from 'node:util'

import { expected } from '../core/options.ts'
import { Cursor, type CursorHost } from './cursor.ts'
import type { CursorQuery } from './cursor-query.ts'
import { withTypes, type Types } from './query-arguments.ts'

type Callback<T> = (error: Error | null, value?: T) => void

/** What is used of the driver's cursor. */
interface DriverCursor {
  readonly text: string
  readonly values: readonly unknown[] | null | undefined
  readonly _conf?: { readonly rowMode?: 'array'; readonly types?: Types | null }
  read: (count: number, callback?: Callback<unknown[]>) => Promise<unknown[]> | undefined
  close: (callback?: Callback<void>) => Promise<void> | undefined
}

/** A statement that brings its own class, as the driver accepts it. */
export function isSubmittable(value: unknown): value is object {
  return typeof value === 'object' && value !== null && 'submit' in value
}

/**
 * Have `submittable` read through a cursor of `host`.
 * @throws {TypeError} where it is neither a cursor nor a stream over one
 */
export function redirect(submittable: object, host: CursorHost): void {
  const theirs = cursorIn(submittable)
  const ours = new Cursor<unknown>(host, queryOf(theirs))
  theirs.read = (count, callback) => settle(ours.read(count), callback)
  theirs.close = (callback) => settle(ours.close(), callback)
}

function cursorIn(submittable: object): DriverCursor {
  if (isCursor(submittable)) return submittable
  if ('cursor' in submittable && isCursor(submittable.cursor)) return submittable.cursor
  throw expected(
    'the statement given to query()',
    'a text, a config, or a cursor or stream of the driver; for its other classes there is unsafeClient()',
    submittable,
  )
}

function isCursor(value: unknown): value is DriverCursor {
  return (
    typeof value === 'object' &&
    value !== null &&
    'text' in value &&
    typeof value.text === 'string' &&
    'read' in value &&
    typeof value.read === 'function' &&
    'close' in value
  )
}

function queryOf({ text, values, _conf: { rowMode, types } = {} }: DriverCursor): CursorQuery {
  // The driver knows more of its options than the declarations here.
  const format = { ...(rowMode && { rowMode }), ...(types && withTypes(types)) }
  const query = { text, values: values ?? undefined, format, batch: 100, signal: undefined }
  // A stream reads ahead of whoever leaves it: a cancel of that would fail the transaction.
  return { ...query, inFlight: 'wait' }
}

/** As the driver has it: a callback, or else a promise. */
export function settle<T>(
  promise: Promise<T>,
  callback: Callback<T> | null | undefined,
): Promise<T> | undefined {
  if (callback === undefined || callback === null) return promise
  callbackify(() => promise)(callback)
  return undefined
}
