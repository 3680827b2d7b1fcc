/**
 * How long a release is waited for: a few turns of the microtask queue, within which most settle, and only then by a
 * timer, which costs more than those turns.
 */
import { after } from './deadline.ts'

/** Turns of the microtask queue. */
const turns = 4

const settled = Promise.resolve()

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
    this.#ms = ms
    this.#left = turns
    this.#waiting = true
    if (!this.#turning) this.#turn()
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
    if (!this.#waiting) return
    if (this.#left > 0) this.#turn()
    else this.#stopTimer = after(this.#ms, this.#onEnd)
  }
}
