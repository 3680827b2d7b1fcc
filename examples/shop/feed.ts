/** The live feed: whoever subscribes hears of every order that was really sold. */

export interface Sale {
  readonly id: string
  readonly items: number
  /** In cents. */
  readonly total: number
}

export class Feed {
  readonly #listeners = new Set<(sale: Sale) => void>()

  subscribe(listener: (sale: Sale) => void): Disposable {
    this.#listeners.add(listener)
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) }
  }

  publish(sale: Sale): void {
    for (const listener of this.#listeners) listener(sale)
  }
}
