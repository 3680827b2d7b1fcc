/**
 * Streams that are piped into a response. The scope of the request stays open until the last has ended, because what
 * they read from is held by it.
 */
import { finished, type Readable } from 'node:stream'

export class Sources {
  readonly #open = new Set<Readable>()
  readonly #onEnd: () => void

  /** @param onEnd called whenever one has ended */
  constructor(onEnd: () => void) {
    this.#onEnd = onEnd
  }

  get size(): number {
    return this.#open.size
  }

  add(source: Readable): void {
    this.#open.add(source)
    finished(source, { writable: false }, () => {
      this.#open.delete(source)
      this.#onEnd()
    })
  }

  /** `source.pipe(response)` leaves a source open whose client left: nobody would ever end it. */
  destroyUnread(): void {
    for (const source of this.#open) {
      if (source.listenerCount('data') + source.listenerCount('readable') === 0) source.destroy()
    }
  }
}
