/**
 * What an answer is made from while it is sent. The scope of the request stays open until the last of it has ended,
 * because what it reads from is held by that.
 */
import { finished, type Readable } from 'node:stream'

/** What a source failed with. */
export interface SourceFailure {
  readonly error: unknown
  /** Nobody else was told, so the answer would never end. */
  readonly unheard: boolean
}

export class Sources {
  /** Of the first that failed. */
  failure: SourceFailure | undefined = undefined
  readonly #piped = new Set<Readable>()
  #others = 0
  readonly #onEnd: () => void

  /** @param onEnd called whenever one has ended */
  constructor(onEnd: () => void) {
    this.#onEnd = onEnd
  }

  get size(): number {
    return this.#piped.size + this.#others
  }

  /** A stream that is piped into the response. */
  pipe(source: Readable): void {
    this.#piped.add(source)
    finished(source, { writable: false }, () => {
      this.#piped.delete(source)
      // One that was destroyed without an error has none.
      const error: unknown = source.errored
      // One listener is that of `finished`.
      const unheard = source.listenerCount('error') <= 1
      if (error) this.failure ??= { error, unheard }
      this.#onEnd()
    })
  }

  /** Anything else. @returns what is to be called once, when it has ended */
  begin(): (failure?: SourceFailure) => void {
    this.#others += 1
    return (failure) => {
      this.#others -= 1
      this.failure ??= failure
      this.#onEnd()
    }
  }

  /** `source.pipe(response)` leaves a source open whose client left: nobody would ever end it. */
  destroyUnread(): void {
    for (const source of this.#piped) {
      if (source.listenerCount('data') + source.listenerCount('readable') === 0) endSource(source)
    }
  }
}

/** Streams of the first kind, which libraries still make, may have no such method, or something else of that name. */
export function endSource(source: Partial<Readable>): void {
  if (typeof source.destroy === 'function') source.destroy()
}
