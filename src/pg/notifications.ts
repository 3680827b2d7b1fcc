/**
 * Notifications between the connection that brings them and the loop that reads them. Their number is bounded: the
 * oldest are dropped, and in their place stands a gap that says how many.
 */
import type { PgNotification } from './held-types.ts'

type Reader = (result: IteratorResult<PgNotification, undefined>) => void

const end: IteratorResult<PgNotification, undefined> = { done: true, value: undefined }

export class Notifications implements AsyncIterator<PgNotification, undefined> {
  readonly #limit: number
  #waiting: PgNotification[] = []
  readonly #readers: Reader[] = []
  /** Dropped before everything that waits; `undefined` where that is not known. */
  #dropped: number | undefined = 0
  #ended = false

  constructor(limit: number) {
    this.#limit = limit
  }

  put(notification: PgNotification): void {
    if (this.#ended) return
    const reader = this.#readers.shift()
    if (reader !== undefined) {
      reader({ done: false, value: notification })
      return
    }
    this.#waiting.push(notification)
    while (this.#waiting.length > this.#limit) this.#dropOldest()
  }

  /** Something may have been missed here, and nobody knows what. */
  putGap(): void {
    const last = this.#waiting.at(-1)
    if (last === undefined || !('gap' in last)) this.put({ gap: true, dropped: undefined })
  }

  /** What waits is not read any more. */
  end(): void {
    this.#ended = true
    this.#waiting = []
    for (const reader of this.#readers.splice(0)) reader(end)
  }

  next(): Promise<IteratorResult<PgNotification, undefined>> {
    if (this.#ended) return Promise.resolve(end)
    const value = this.#takeGap() ?? this.#waiting.shift()
    if (value !== undefined) return Promise.resolve({ done: false, value })
    return new Promise((resolve) => this.#readers.push(resolve))
  }

  /** The loop is left; another one can go on. */
  return(): Promise<IteratorResult<PgNotification, undefined>> {
    return Promise.resolve(end)
  }

  #dropOldest(): void {
    const oldest = this.#waiting.shift()
    if (oldest === undefined) return
    if ('gap' in oldest) this.#dropped = undefined
    else if (this.#dropped !== undefined) this.#dropped += 1
  }

  #takeGap(): PgNotification | undefined {
    if (this.#dropped === 0) return undefined
    const dropped = this.#dropped
    this.#dropped = 0
    return { gap: true, dropped }
  }
}
