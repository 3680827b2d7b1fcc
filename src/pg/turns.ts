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

function ignore(): void {}
