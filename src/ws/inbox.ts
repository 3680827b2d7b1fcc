/**
 * Messages between the event that brings them and the loop that reads them: none is lost before the first read, and
 * their sender is paused when too many wait.
 */

/** What stops and restarts the sender. */
interface Flow {
  pause(): void
  resume(): void
}

interface Reader<T> {
  resolve(result: IteratorResult<T, undefined>): void
  reject(error: unknown): void
}

export class Inbox<T> {
  readonly #flow: Flow
  readonly #highWater: number
  readonly #messages: T[] = []
  readonly #readers: Reader<T>[] = []
  #paused = false
  #end: { readonly failed: boolean; readonly error: unknown } | undefined = undefined

  constructor(flow: Flow, highWater: number) {
    this.#flow = flow
    this.#highWater = highWater
  }

  get paused(): boolean {
    return this.#paused
  }

  put(message: T): void {
    if (this.#end !== undefined) return
    const reader = this.#readers.shift()
    if (reader !== undefined) {
      reader.resolve({ done: false, value: message })
      return
    }
    this.#messages.push(message)
    if (this.#paused || this.#messages.length < this.#highWater) return
    this.#paused = true
    this.#flow.pause()
  }

  /** What was put before is still read. */
  end(): void {
    this.#finish({ failed: false, error: undefined })
  }

  /** As `end`, and then every read rejects. */
  fail(error: unknown): void {
    this.#finish({ failed: true, error })
  }

  clear(): void {
    this.#messages.length = 0
    this.#resume()
  }

  take(): Promise<IteratorResult<T, undefined>> {
    if (this.#messages.length > 0) {
      // There is one.
      const value = this.#messages.shift() as T
      if (this.#messages.length <= this.#highWater / 2) this.#resume()
      return Promise.resolve({ done: false, value })
    }
    return new Promise((resolve, reject) => {
      this.#readers.push({ resolve, reject })
      this.#dismiss()
    })
  }

  /** Leaving a loop ends that loop alone: another may read on. */
  iterate(): AsyncIterableIterator<T, undefined> {
    let left = false
    return {
      next: () => (left ? Promise.resolve({ done: true, value: undefined }) : this.take()),
      return: () => {
        left = true
        return Promise.resolve({ done: true, value: undefined })
      },
      [Symbol.asyncIterator]() {
        return this
      },
    }
  }

  #finish(end: { readonly failed: boolean; readonly error: unknown }): void {
    if (this.#end !== undefined) return
    this.#end = end
    this.#resume()
    this.#dismiss()
  }

  #dismiss(): void {
    if (this.#end === undefined) return
    for (const reader of this.#readers.splice(0)) {
      if (this.#end.failed) reader.reject(this.#end.error)
      else reader.resolve({ done: true, value: undefined })
    }
  }

  #resume(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#flow.resume()
  }
}
