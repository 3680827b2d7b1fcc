/**
 * A line of those who wait for something that one can have at a time: first come, first served. Whoever gives up leaves
 * it at once.
 */
import { whenAborted } from '../core/deadline.ts'

/** Who may have to wait. Its signal is looked at only then: that of a scope is made by looking. */
export interface Asking {
  readonly signal?: AbortSignal
}

export class Line<T> {
  readonly #waiting = new Set<Waiter<T>>()

  /** @param owner on whose behalf, for `dismiss` */
  wait(owner: object, signal: AbortSignal | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter<T> = { owner, resolve, reject, stop: () => {} }
      this.#waiting.add(waiter)
      if (signal === undefined) return
      waiter.stop = whenAborted(signal, () => this.#refuse(waiter, signal.reason))
    })
  }

  /** Hand `value` to the first in line; `false` if nobody waits. */
  serve(value: T): boolean {
    if (this.#waiting.size === 0) return false
    for (const first of this.#waiting) {
      this.#leave(first)
      first.resolve(value)
      return true
    }
    return false
  }

  /** Those of `owner` wait in vain. */
  dismiss(owner: object, error: unknown): void {
    for (const waiter of this.#waiting) if (waiter.owner === owner) this.#refuse(waiter, error)
  }

  #refuse(waiter: Waiter<T>, error: unknown): void {
    this.#leave(waiter)
    waiter.reject(error)
  }

  #leave(waiter: Waiter<T>): void {
    this.#waiting.delete(waiter)
    waiter.stop()
  }
}

interface Waiter<T> {
  readonly owner: object
  readonly resolve: (value: T) => void
  readonly reject: (error: unknown) => void
  /** Listen to its signal no longer. */
  stop: () => void
}
