/**
 * How long a release is waited for: a few turns of the microtask queue, within which most settle, and only then by a
 * timer, which costs more than those turns. Under the timers of a test there is one from the start: it may pass the time
 * in any turn.
 */
import { after } from './deadline.ts'
import { longestDelay } from './options.ts'

/** Turns of the microtask queue. */
const turns = 4

const settled = Promise.resolve()

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

export class Patience {
  readonly #onEnd: () => void
  readonly #onTurn: () => void = () => this.#turned()
  #ms = 0
  #left = 0
  #waiting = false
  /** A turn is under way. */
  #turning = false
  #stopTimer: (() => void) | undefined = undefined

  /** @param onEnd called when a wait lasted for too long */
  constructor(onEnd: () => void) {
    this.#onEnd = onEnd
  }

  /** @param ms milliseconds after which it ends */
  begin(ms: number): void {
    if (this.#stopTimer !== undefined) return
    this.#ms = ms
    this.#left = turns
    this.#waiting = true
    if (timersAreReplaced()) this.#stopTimer = after(ms, this.#onEnd)
    else if (!this.#turning) this.#turn()
  }

  /** What was waited for has settled. */
  stop(): void {
    this.#waiting = false
    this.#stopTimer?.()
    this.#stopTimer = undefined
  }

  #turn(): void {
    this.#turning = true
    this.#left -= 1
    void settled.then(this.#onTurn)
  }

  #turned(): void {
    this.#turning = false
    if (!this.#waiting || this.#stopTimer !== undefined) return
    if (this.#left > 0) this.#turn()
    else this.#stopTimer = after(this.#ms, this.#onEnd)
  }
}
