/**
 * Time, as cheaply as it can be had: a clock that is read once in a tick where many scopes ask for it, unless somebody
 * looks at the times; timers; and listening to a signal.
 */
// Not the global ones, which tests and DOMs replace: the clock must go on.
import { performance } from 'node:perf_hooks'
import { setTimeout as setClock } from 'node:timers'
import { acquired, released, scopeClosed } from './events.ts'

/** Milliseconds: how far `roughNow` may lag behind. */
const tick = 2

/**
 * Readings in a tick from which on a timer is cheaper. It costs more than its own turn of the event loop: while there is
 * one, each wait for a socket has a bound, which made a query on a leased connection 2.5 µs dearer, a fourteenth.
 */
const many = 500

/** The last reading, and whether it is good until the end of the tick; the readings since the tick began, and when it did. */
const clock = { reading: 0, fresh: false, readings: 0, since: 0 }
let lookers = 0

/**
 * Milliseconds of the monotonic clock, at most a tick old while the event loop turns; exact while somebody looks at
 * times. Reading the real one costs more than a scope.
 */
export function roughNow(): number {
  clock.readings += 1
  return clock.fresh ? clock.reading : readClock()
}

function readClock(): number {
  const now = performance.now()
  if (lookers > 0 || timesArePublished()) return now
  if (now - clock.since >= tick) beginTick(now)
  // Whole milliseconds: a fraction would be allocated wherever it is stored.
  return (clock.reading = Math.floor(now))
}

/** Where the tick before had many readings, this one has a timer instead of all but the first. */
function beginTick(now: number): void {
  clock.fresh = clock.readings >= many && now - clock.since < 2 * tick
  clock.readings = 0
  clock.since = now
  if (!clock.fresh) return
  // Unreferenced, and not renewed: a process that opens no scope is not woken.
  setClock(forget, tick).unref()
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
