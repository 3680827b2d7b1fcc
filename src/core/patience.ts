/**
 * How long a release is waited for: a few turns of the microtask queue, within which most settle, and only then by a
 * timer, which costs more than those turns. Under the timers of a test there is one from the start: it may pass the time
 * in any turn.
 */
import type { Finalizer } from './finalizers.ts'
import { longestDelay } from './options.ts'

/** Turns of the microtask queue. */
export const turns = 4

/** Milliseconds for the release of an entry: its own, or those of the list that it is in. */
export function timeFor(list: { readonly disposeTimeout: number }, { traits }: Finalizer): number {
  return traits?.disposeTimeout ?? list.disposeTimeout
}

/** The one that was looked at last: the platform's, unless this was loaded under timers of a test. */
let known = globalThis.setTimeout
let replaced = false
const PlatformTimer = timerClass()

/**
 * Whether a test has put timers of its own in the place of the platform's: time passes there whenever it says so. What
 * only wraps the platform's, as tools for tracing do, still gives out its timers.
 */
export function timersAreReplaced(): boolean {
  if (globalThis.setTimeout !== known) {
    known = globalThis.setTimeout
    replaced = timerClass() !== PlatformTimer
  }
  return replaced
}

/** What timers are made of; a runtime may give out numbers, and a test nothing. */
function timerClass(): unknown {
  const timer: NodeJS.Timeout | undefined = setTimeout(() => {}, longestDelay)
  clearTimeout(timer)
  return timer?.constructor
}
