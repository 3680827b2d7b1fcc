/** One call that waits for a connection. It settles once: with a lease, an error, or because it was given up. */
import type { Ticket } from '../core/held.ts'
import type { Link } from './chain.ts'
import type { Lease } from './lease.ts'

/** How many connections in the middle of something are replaced for one call. */
const patience = 20

export class Waiter implements Link<Waiter> {
  next: Waiter | undefined = undefined
  previous: Waiter | undefined = undefined
  #looks = 0
  /** Nobody waits any more: what comes now goes back. */
  settled = false
  readonly #resolve: (lease: Lease) => void
  readonly #reject: (error: unknown) => void
  readonly #signal: AbortSignal | undefined
  readonly #onAbort: (() => void) | undefined
  readonly ticket: Ticket | undefined

  /** @param onGiveUp called when the signal aborts */
  constructor(
    resolve: (lease: Lease) => void,
    reject: (error: unknown) => void,
    signal: AbortSignal | undefined,
    onGiveUp: (waiter: Waiter) => void,
    ticket: Ticket | undefined,
  ) {
    this.ticket = ticket
    this.#resolve = resolve
    this.#reject = reject
    this.#signal = signal
    if (signal === undefined) return
    this.#onAbort = () => {
      this.reject(signal.reason)
      onGiveUp(this)
    }
    signal.addEventListener('abort', this.#onAbort, { once: true })
  }

  /** A connection that came was of no use: whether to take another one. */
  lookAgain(): boolean {
    this.#looks += 1
    return this.#looks < patience
  }

  resolve(lease: Lease): void {
    this.#settle()
    this.#resolve(lease)
  }

  reject(error: unknown): void {
    this.ticket?.failed(isTimeout(error))
    this.#settle()
    this.#reject(error)
  }

  #settle(): void {
    this.settled = true
    if (this.#onAbort !== undefined) this.#signal?.removeEventListener('abort', this.#onAbort)
  }
}

/** A deadline, or the `connectionTimeoutMillis` of the driver's pool, which has a message and no code. */
function isTimeout(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  return error.name === 'TimeoutError' || error.message.startsWith('timeout exceeded')
}
