/**
 * One call that waits for a connection. It settles once: with a lease, an error, or because it was given up. The driver
 * keeps whom it called back for as long as the connection lives: nothing of the call is left in here by then.
 */
import { ambient } from '../core/context.ts'
import { isError } from '../core/errors/format.ts'
import { isTimeout, type Ticket } from '../core/watching/held.ts'
import type { Scope } from '../core/types.ts'
import type { Link } from './chain.ts'
import { follow, reasonOf, type Abortable } from './follow.ts'
import type { Lease } from './lease.ts'

/** How many connections in the middle of something are replaced for one call. */
const patience = 20

export class Waiter implements Link<Waiter> {
  next: Waiter | undefined = undefined
  previous: Waiter | undefined = undefined
  ticket: Ticket | undefined
  /** In which somebody waits. */
  scope: Scope | undefined
  #looks = 0
  #resolve: ((lease: Lease) => void) | undefined
  #reject: ((error: unknown) => void) | undefined
  #unfollow: (() => void) | undefined

  /**
   * @param by whose abort ends the wait
   * @param onGiveUp called with the reason when that aborts
   */
  constructor(
    resolve: (lease: Lease) => void,
    reject: (error: unknown) => void,
    by: Abortable | undefined,
    onGiveUp: (waiter: Waiter, reason: unknown) => void,
    ticket: Ticket | undefined,
  ) {
    this.ticket = ticket
    this.scope = ambient()?.scope
    this.#resolve = resolve
    this.#reject = reject
    this.#unfollow = by && follow(by, () => onGiveUp(this, reasonOf(by)))
  }

  /** A connection that came was of no use: whether to take another one. */
  lookAgain(): boolean {
    this.#looks += 1
    return this.#looks < patience
  }

  /** Nobody waits any more: what comes now goes back. */
  get settled(): boolean {
    return this.#resolve === undefined
  }

  resolve(lease: Lease): void {
    this.#resolve?.(lease)
    this.#forget()
  }

  /** Where it has settled, nothing happens. */
  reject(error: unknown): void {
    this.ticket?.failed(tookTooLong(error))
    this.#reject?.(error)
    this.#forget()
  }

  #forget(): void {
    this.#unfollow?.()
    this.#resolve = undefined
    this.#reject = undefined
    this.#unfollow = undefined
    this.ticket = undefined
    this.scope = undefined
  }
}

/** A deadline, or the `connectionTimeoutMillis` of the driver's pool, which has a message and no code. */
function tookTooLong(error: unknown): boolean {
  return isTimeout(error) || (isError(error) && error.message.startsWith('timeout exceeded'))
}
