/**
 * Time, as cheaply as it can be had: a clock that is read a few hundred times a second however many scopes there are,
 * unless somebody looks at the times; timers; and listening to a signal.
 */
// Not the global ones, which tests and DOMs replace: the clock must go on.
import { performance } from 'node:perf_hooks'
import { setTimeout as setClock } from 'node:timers'
import { acquired, released, scopeClosed } from './events.ts'

/** Milliseconds: how far `roughNow` may lag behind. */
const tick = 2

/** Readings in a tick that cost as much as a timer and the turn of the event loop that it takes. */
const many = 50

/** The last reading, whether it is good for the rest of a tick, and how many there were since when. */
const clock = { reading: 0, fresh: false, readings: 0, since: 0 }
let ticking: NodeJS.Timeout | undefined
let lookers = 0

/**
 * Milliseconds of the monotonic clock, at most a tick old while the event loop turns; exact while somebody looks at
 * times. Reading the real one costs more than a scope.
 */
export function roughNow(): number {
  return clock.fresh ? clock.reading : readClock()
}

function readClock(): number {
  const now = performance.now()
  if (lookers > 0 || timesArePublished()) return now
  if (clock.readings === 0) clock.since = now
  clock.readings += 1
  if (clock.readings === many) keepReading(now - clock.since < tick)
  // Whole milliseconds: a fraction would be allocated wherever it is stored.
  return (clock.reading = Math.floor(now))
}

function keepReading(fresh: boolean): void {
  clock.readings = 0
  clock.fresh = fresh
  if (!fresh) return
  // Unreferenced, and not set again by itself: a process that opens no scope is not woken.
  ticking ??= setClock(forget, tick).unref()
  ticking.refresh()
}

/** The same clock, for those who compare with it: what began is never younger than it was. */
export function exactNow(): number {
  return performance.now()
}

function forget(): void {
  clock.fresh = false
}

function timesArePublished(): boolean {
  return released.hasSubscribers || acquired.hasSubscribers || scopeClosed.hasSubscribers
}

/** From now on the clock is read each time, until the result is called. */
export function sharpen(): () => void {
  let looking = true
  lookers += 1
  forget()
  return () => {
    if (looking) lookers -= 1
    looking = false
  }
}

/** Milliseconds between two readings, of which the earlier one may have been exact and the later one rough. */
export function elapsed(since: number, now: number): number {
  return Math.max(0, now - since)
}

/** A timer that calls `fire` after `ms` milliseconds; call the result to call it off. */
export function after(ms: number, fire: () => void): () => void {
  const timer = setTimeout(fire, ms)
  return () => clearTimeout(timer)
}

/** Calls `listener` when `signal` aborts, now or later; call the result to stop listening. */
export function whenAborted(signal: AbortSignal, listener: () => void): () => void {
  if (signal.aborted) {
    listener()
    return () => {}
  }
  signal.addEventListener('abort', listener, { once: true })
  return () => signal.removeEventListener('abort', listener)
}
