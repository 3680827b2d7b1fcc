/** Who has a connection to himself, one after another. What was begun for one holder must not touch the next. */

export class Turns {
  #last: Promise<void> | undefined = undefined
  #holder = 0

  /** The connection has another holder: those who wait do nothing. */
  change(): void {
    this.#holder += 1
  }

  /** Do `work` when those before have done theirs, and call `after` in the end. */
  async take(work: () => Promise<void>, after: () => void): Promise<void> {
    const turn = this.#inTurn(this.#last, this.#holder, work)
    const settled = turn.catch(ignore)
    this.#last = settled
    try {
      await turn
    } finally {
      // A promise keeps the context in which it was made, and a connection outlives its requests.
      if (this.#last === settled) this.#last = undefined
      after()
    }
  }

  async #inTurn(
    before: Promise<void> | undefined,
    holder: number,
    work: () => Promise<void>,
  ): Promise<void> {
    await before
    if (holder === this.#holder) await work()
  }
}

/** One thing after another, for those who wait for what they asked for: an error's stack leads to them. */
export class Queue {
  #last: Promise<void> = Promise.resolve()

  /** Resolves when all that was asked for by now is done. */
  get done(): Promise<void> {
    return this.#last
  }

  async take<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#last
    let leave = ignore
    this.#last = new Promise((resolve) => {
      leave = resolve
    })
    try {
      await before
      return await work()
    } finally {
      leave()
    }
  }
}

function ignore(): void {}
