/** One iteration over pages of rows: a promise for each row, and a round trip for each page. */
import { Turns } from './turns.ts'

export class CursorRows<Row> implements AsyncIterator<Row, undefined> {
  readonly #fetch: () => Promise<Row[]>
  readonly #leave: () => Promise<void>
  #page: readonly Row[] = []
  #at = 0
  /** Those who ask for a row that is not here take turns. */
  readonly #turns = new Turns()
  #asking = 0

  constructor(fetch: () => Promise<Row[]>, leave: () => Promise<void>) {
    this.#fetch = fetch
    this.#leave = leave
  }

  next(): Promise<IteratorResult<Row, undefined>> {
    if (this.#asking === 0 && this.#at < this.#page.length) return Promise.resolve(this.#take())
    this.#asking += 1
    return this.#turns.take(() => this.#fetched())
  }

  async return(): Promise<IteratorResult<Row, undefined>> {
    this.#page = []
    await this.#leave()
    return { done: true, value: undefined }
  }

  async #fetched(): Promise<IteratorResult<Row, undefined>> {
    try {
      if (this.#at >= this.#page.length) {
        this.#page = await this.#fetch()
        this.#at = 0
      }
      return this.#take()
    } finally {
      this.#asking -= 1
    }
  }

  #take(): IteratorResult<Row, undefined> {
    if (this.#at >= this.#page.length) return { done: true, value: undefined }
    const value = this.#page[this.#at]
    this.#at += 1
    // There is one at every index below the length.
    return { done: false, value: value as Row }
  }
}
