/**
 * Where a transaction was acquired, for the report that comes when it is held for too long. A stack trace costs as much
 * as the transaction, so there is a budget: sustained, it costs less than 0.1 %, and a writer that is slow never meets it.
 */
import { roughNow } from '../core/deadline.ts'
import { framesOf } from '../core/watching/sites.ts'

/** Formatted when it is read, which costs more than taking it. Dropped with the transaction, and what it refers to. */
export interface Origin {
  readonly stack?: string
}

/** Thousandths of a trace: whole numbers, like the clock, because others would be allocated. */
const trace = 1_000
const budget = { atMost: 200 * trace, perMillisecond: 20 }
/** Enough to see who called `scope.get` through the frames of the core. */
const frames = 24

let left = budget.atMost
let last = 0

/** Of the call that is being made. */
export function takeOrigin(): Origin | undefined {
  const now = roughNow()
  left = Math.min(budget.atMost, left + (now - last) * budget.perMillisecond)
  last = now
  if (left < trace) return undefined
  left -= trace
  const origin: Origin = {}
  const { stackTraceLimit } = Error
  Reflect.set(Error, 'stackTraceLimit', frames)
  Error.captureStackTrace(origin, takeOrigin)
  Reflect.set(Error, 'stackTraceLimit', stackTraceLimit)
  return origin
}

/** Its lines in the program, nearest first. Where it was not taken, those that follow are. */
export function linesOf(origin: Origin | undefined): string {
  if (origin !== undefined) return framesOf(String(origin.stack))
  left = budget.atMost
  return ''
}
