/**
 * One thing after another, such as what is done while the line of a connection is held, which is more than one statement.
 * Nobody but whoever asked waits for a promise of it: else no error's stack would lead there.
 */
import { ignore } from '../core/dispose.ts'

export class Turns {
  #last: Promise<void> | undefined = undefined

  /** Resolves when all that was asked for by now is done. */
  get done(): Promise<void> {
    return this.#last ?? Promise.resolve()
  }

  async take<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#last
    let leave = ignore
    const turn = new Promise<void>((resolve) => {
      leave = resolve
    })
    this.#last = turn
    try {
      await before
      return await work()
    } finally {
      // A promise keeps the context in which it was made, and a connection outlives its requests.
      if (this.#last === turn) this.#last = undefined
      leave()
    }
  }
}
