/**
 * Where a transaction was acquired, for the report that comes when it is held for too long. A stack trace costs as much
 * as the transaction, so there is a budget: sustained, it costs less than 1 %, and a writer that is slow never meets it.
 */
export interface Origin {
  readonly stack?: string
}

/** Traces. */
const budget = { atMost: 500, perSecond: 100 }
/** Enough to see who called `scope.get` through the frames of the core. */
const frames = 24

let left = budget.atMost
let last = Date.now()

/** Of the call that is being made. */
export function takeOrigin(): Origin | undefined {
  const now = Date.now()
  left = Math.min(budget.atMost, left + ((now - last) / 1_000) * budget.perSecond)
  last = now
  if (left < 1) return undefined
  left -= 1
  const origin: Origin = {}
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = frames
  Error.captureStackTrace(origin, takeOrigin)
  Error.stackTraceLimit = stackTraceLimit
  return origin
}

const own = new URL('..', import.meta.url).href

/** Its frames outside this package and Node.js, nearest first. */
export function callersOf({ stack = '' }: Origin): string[] {
  const others = [own, 'node:', '<anonymous>)']
  return stack
    .split('\n')
    .filter((line) => /^\s+at /.test(line) && !others.some((other) => line.includes(other)))
    .map((line) => line.trim())
}
