/**
 * Time, as cheaply as it can be had: a clock that is read a few hundred times a second however many scopes there are,
 * unless somebody looks at the times; timers; and listening to a signal.
 */
// Not the global one, which tests and DOMs replace: the clock must go on.
import { setTimeout as setClock } from 'node:timers'
import { acquired, released, scopeClosed } from './events.ts'

/** Milliseconds: how far `roughNow` may lag behind. */
const tick = 2

/** The last reading, and whether it is still good enough. */
const clock = { reading: 0, fresh: false }
let lookers = 0

/**
 * Milliseconds of the monotonic clock, at most a tick old while the event loop turns; exact while somebody looks at
 * times. Reading the real one costs more than a scope.
 */
export function roughNow(): number {
  return clock.fresh ? clock.reading : readClock()
}

function readClock(): number {
  if (lookers > 0 || timesArePublished()) return performance.now()
  // Whole milliseconds: a fraction would be allocated wherever it is stored.
  clock.reading = Math.floor(performance.now())
  clock.fresh = true
  // Unreferenced, and not renewed: a process that opens no scope is not woken.
  setClock(forget, tick).unref()
  return clock.reading
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
