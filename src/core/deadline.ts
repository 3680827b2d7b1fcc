/**
 * Time, as cheaply as it can be had: a clock that is read once in a turn of the event loop where many ask, unless somebody
 * looks at the times; timers; and listening to a signal.
 */
// Not the global ones, which tests and DOMs replace: the clock must go on.
import { performance } from 'node:perf_hooks'
import {
  clearImmediate as callOff,
  clearTimeout as clearOfPlatform,
  setImmediate as atTurn,
} from 'node:timers'
import { acquired, released, scopeClosed } from './watching/events.ts'

/**
 * The last reading, and whether it is good: until the event loop turns. How many there were since one was good. And an
 * immediate whose shape stays (docs/decisions/shapes-that-stay.md); the last one would keep the context of a request.
 */
const clock = { reading: 0, fresh: false, readings: 0, shape: atTurn(() => {}) }
// In its queue it would lead to the next one, which may be that of a request.
callOff(clock.shape)
let exact = false

/** An immediate costs as much as some readings: it is for turns in which many ask. */
const readingsAlone = 16

/**
 * Milliseconds of the monotonic clock, at the earliest when this turn of the event loop first asked; exact while somebody
 * looks at times. Reading the real one each time would cost a loop more than a scope, and a timer would give each wait for a
 * socket a bound, which the kernel charges for (docs/decisions/one-reading-a-turn.md).
 */
export function roughNow(): number {
  return clock.fresh ? clock.reading : readClock()
}

function readClock(): number {
  const now = performance.now()
  if (exact || timesArePublished()) return now
  // Whole milliseconds: a fraction would be allocated wherever it is stored.
  clock.reading = Math.floor(now)
  clock.readings += 1
  if (clock.readings > readingsAlone) {
    clock.readings = 0
    clock.fresh = true
    atTurn(forget)
  }
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

/** From now on the clock is read each time. */
export function sharpen(): void {
  exact = true
  forget()
}

// An immediate keeps the event loop going, and each time that is empty, `beforeExit` comes again: for ever, where a
// listener opens a scope.
process.prependOnceListener('beforeExit', sharpen)

/** Milliseconds between two readings, of which the earlier one may have been exact and the later one rough. */
export function elapsed(since: number, now: number): number {
  return Math.max(0, now - since)
}

/** A timer that calls `fire` after `ms` milliseconds; call the result to call it off. */
export function after(ms: number, fire: () => void): () => void {
  const timer: NodeJS.Timeout | number = setTimeout(fire, ms)
  return () => {
    clearTimeout(timer)
    // A test may have put timers in the place of the platform's since, which do not know this one.
    if (typeof timer === 'object') clearOfPlatform(timer)
  }
}

/** The same again and again. */
export function every(ms: number, fire: () => void): () => void {
  const timer = setInterval(fire, ms)
  return () => clearInterval(timer)
}

/** A timer that keeps no process alive. What a test or a DOM has in its place may be a number, which keeps none. */
export function unhurried<T extends NodeJS.Timeout | number>(timer: T): T {
  if (typeof timer === 'object') timer.unref()
  return timer
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
