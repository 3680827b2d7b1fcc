/**
 * Messages between the event that brings them and the loop that reads them: none is lost before the first read, and
 * their sender is paused when too many wait.
 */

/** What stops and restarts the sender. */
interface Flow {
  pause(): void
  resume(): void
}

interface End {
  readonly failed: boolean
  readonly error: unknown
}

/** One that reads; its own end is that it was left. */
interface Loop {
  end: End | undefined
}

interface Reader<T> {
  readonly loop: Loop
  resolve(result: IteratorResult<T, undefined>): void
  reject(error: unknown): void
}

const over: End = { failed: false, error: undefined }

export class Inbox<T> {
  readonly #flow: Flow
  readonly #highWater: number
  readonly #messages: T[] = []
  readonly #readers: Reader<T>[] = []
  #paused = false
  #end: End | undefined = undefined

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
    this.#finish(over)
  }

  /** As `end`, and then every read rejects. */
  fail(error: unknown): void {
    this.#finish({ failed: true, error })
  }

  clear(): void {
    this.#messages.length = 0
    this.#resume()
  }

  /** Leaving a loop ends that loop alone, with what it still waits for: another may read on. */
  iterate(): AsyncIterableIterator<T, undefined> {
    const loop: Loop = { end: undefined }
    return {
      next: () => this.#take(loop),
      return: () => {
        loop.end = over
        this.#dismiss()
        return this.#take(loop)
      },
      [Symbol.asyncIterator]() {
        return this
      },
    }
  }

  #take(loop: Loop): Promise<IteratorResult<T, undefined>> {
    if (this.#messages.length > 0 && loop.end === undefined) {
      // There is one.
      const value = this.#messages.shift() as T
      if (this.#messages.length <= this.#highWater / 2) this.#resume()
      return Promise.resolve({ done: false, value })
    }
    return new Promise((resolve, reject) => this.#wait({ loop, resolve, reject }))
  }

  #finish(end: End): void {
    if (this.#end !== undefined) return
    this.#end = end
    this.#resume()
    this.#dismiss()
  }

  /** Those for whom there is nothing more to come. */
  #dismiss(): void {
    for (const reader of this.#readers.splice(0)) this.#wait(reader)
  }

  #wait(reader: Reader<T>): void {
    const end = reader.loop.end ?? this.#end
    if (end === undefined) this.#readers.push(reader)
    else if (end.failed) reader.reject(end.error)
    else reader.resolve({ done: true, value: undefined })
  }

  #resume(): void {
    if (!this.#paused) return
    this.#paused = false
    this.#flow.resume()
  }
}
