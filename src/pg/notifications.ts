/**
 * Notifications between the connection that brings them and the loop that reads them. Their number is bounded: the
 * oldest are dropped, and in their place stands a gap that says how many.
 */
import type { PgNotification } from './held-types.ts'

type Next = IteratorResult<PgNotification, undefined>

/** A loop that waits. */
interface Reader {
  readonly reading: Reading
  readonly resolve: (next: Next) => void
}

const end: Next = { done: true, value: undefined }

export class Notifications {
  readonly #limit: number
  #waiting: PgNotification[] = []
  #readers: Reader[] = []
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
      reader.resolve({ done: false, value: notification })
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
    for (const { resolve } of this.#readers.splice(0)) resolve(end)
  }

  next(reading: Reading): Promise<Next> {
    if (this.#ended) return Promise.resolve(end)
    const value = this.#takeGap() ?? this.#waiting.shift()
    if (value !== undefined) return Promise.resolve({ done: false, value })
    return new Promise((resolve) => this.#readers.push({ reading, resolve }))
  }

  /** Nothing is for this one any more. */
  leave(reading: Reading): void {
    const leaving = this.#readers.filter((reader) => reader.reading === reading)
    this.#readers = this.#readers.filter((reader) => reader.reading !== reading)
    for (const { resolve } of leaving) resolve(end)
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

/** One loop over them. Once it is left it is over; the next one goes on where it stopped. */
export class Reading implements AsyncIterator<PgNotification, undefined> {
  readonly #queue: Notifications
  #left = false

  constructor(queue: Notifications) {
    this.#queue = queue
  }

  next(): Promise<Next> {
    return this.#left ? Promise.resolve(end) : this.#queue.next(this)
  }

  return(): Promise<Next> {
    this.#left = true
    this.#queue.leave(this)
    return Promise.resolve(end)
  }
}
