/**
 * How `write()` waits for another process. SQLite would block the event loop meanwhile, and tells nobody when the file
 * is free; so it is asked again, less and less often.
 */
import { within } from '../core/waiting.ts'
import { isResult } from './errors.ts'

/** Milliseconds between two tries, at most. */
const longestPause = 5

export class Patience {
  /** Milliseconds. */
  readonly #limit: number
  #wake = (): void => {}

  constructor(limit: number) {
    this.#limit = limit
  }

  /**
   * What `attempt` gives as soon as it does not find the file busy.
   * @throws what it throws at its last try, or the reason of `signal`
   */
  async retry<T>(attempt: () => T, signal: AbortSignal | undefined): Promise<T> {
    const end = performance.now() + this.#limit
    for (let pause = 1; ; pause = Math.min(pause * 2, longestPause)) {
      signal?.throwIfAborted()
      const left = end - performance.now()
      try {
        return attempt()
      } catch (error) {
        if (left <= 0 || !isResult(error, 'SQLITE_BUSY')) throw error
      }
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve
      })
      // oxlint-disable-next-line no-await-in-loop -- one try after the other is the point
      await within(Math.ceil(Math.min(pause, left)), woken, signal)
    }
  }

  /** Let whoever sleeps try at once. */
  wake(): void {
    this.#wake()
  }
}
