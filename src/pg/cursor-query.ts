/** What a cursor reads: a query, checked at the door. Only some can be declared as a cursor. */
import { abortSignal, checkOptions, expected, type Rule } from '../core/options.ts'
import type { PgCursorOptions } from './held-types.ts'
import { checkValues } from './query-arguments.ts'
import type { PgQueryConfig } from './types.ts'

export interface CursorQuery {
  readonly text: string
  readonly values: readonly unknown[] | undefined
  /** How the driver shapes its rows. */
  readonly format: Omit<PgQueryConfig, 'text' | 'values' | 'name'>
  /** Rows that an iteration fetches at a time. */
  readonly batch: number
  readonly signal: AbortSignal | undefined
  /** What its end does about a read that runs, in a transaction of somebody else's. Default: the pool's. */
  readonly inFlight?: 'wait'
}

/** As many rows as FETCH can be asked for. */
export const rowCount: Rule = {
  expected: 'a whole number from 1 to 2147483647',
  accepts: (value) => Number.isInteger(value) && Number(value) >= 1 && Number(value) < 2 ** 31,
}

const rules = { batch: rowCount, signal: abortSignal }

export type CursorArguments = [text: string, values?: readonly unknown[], options?: PgCursorOptions]

/** @throws {TypeError} for what is no query, and for wrong options */
export function cursorQuery([text, values, options]: CursorArguments): CursorQuery {
  if (typeof text !== 'string') throw expected('the query given to cursor()', 'a string', text)
  const checked = checkValues(values, 'cursor()')
  checkOptions('cursor()', options, rules)
  const { batch = 100, signal } = options ?? {}
  return { text, values: checked, format: {}, batch, signal }
}

const comments = String.raw`(?:\s|\(|--[^\n]*\n|/\*[\s\S]*?\*/)*`
const readsRows = new RegExp(`^${comments}(?:select|values|table|with)\\b`, 'i')
const isWith = new RegExp(`^${comments}with\\b`, 'i')
/** At the beginning of a part of WITH, or of what follows it. */
const changesRows = /[()]\s*(?:insert|update|delete|merge)\s/i

/** PostgreSQL declares a cursor for what reads. Everything else it runs to its end, and keeps the rows, in any case. */
export function declarable(text: string): boolean {
  return readsRows.test(text) && !(isWith.test(text) && changesRows.test(text))
}
