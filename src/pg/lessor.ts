/**
 * Who makes leases of one pool's connections. Whoever waits for one can give up; a connection that comes too late goes
 * back. The driver is called outside of every request.
 */
import { isObject, isThenable } from '../core/dispose.ts'
import type { Ticket } from '../core/watching/held.ts'
import type { Scope } from '../core/types.ts'
import { within } from '../core/waiting.ts'
import { Chain } from './chain.ts'
import { connect, outside, type DriverClient, type DriverPool, type Release } from './driver.ts'
import { neverAtRest } from './errors.ts'
import type { Abortable } from './follow.ts'
import { Lease } from './lease.ts'
import type { Policy } from './policy.ts'
import type { Session } from './session.ts'
import type { Sessions } from './sessions.ts'
import { answeredOtherwise, giveBack, standIn } from './stand-ins.ts'
import { Waiter } from './waiter.ts'

export class Lessor {
  readonly #pool: DriverPool
  readonly #policy: Policy
  readonly #sessions: Sessions
  readonly #leases = new Chain<Lease>()
  readonly #waiters = new Chain<Waiter>()
  readonly #fail = (waiter: Waiter, error: unknown): void => {
    this.#waiters.remove(waiter)
    waiter.reject(error)
  }
  #onLastReturn: (() => void) | undefined = undefined

  constructor(pool: DriverPool, policy: Policy, sessions: Sessions) {
    this.#pool = pool
    this.#policy = policy
    this.#sessions = sessions
  }

  /** Without those whose connection is lost: their places are taken by others. */
  get leased(): number {
    return this.#leases.toArray().filter(({ connected }) => connected).length
  }

  get waiting(): number {
    return this.#waiters.size
  }

  /** Whether one of its leases is held by whoever is meant. */
  isHeldBy(holder: (scope: Scope) => boolean): boolean {
    return this.#leases.toArray().some(({ scope }) => scope !== undefined && holder(scope))
  }

  acquire(by: Abortable | undefined, ticket: Ticket | undefined): Promise<Lease> {
    return new Promise((resolve, reject) => {
      const waiter = new Waiter(resolve, reject, by, this.#fail, ticket)
      this.#waiters.add(waiter)
      this.#connect(waiter)
    })
  }

  /** For its leases. */
  returned(lease: Lease): void {
    this.#leases.remove(lease)
    if (this.#leases.size === 0) this.#onLastReturn?.()
  }

  /** The driver would never answer those who wait when its pool is ended. */
  turnAway(why: () => Error): void {
    for (const waiter of this.#waiters.toArray()) this.#fail(waiter, why())
  }

  /** Resolves when all leases are given back: those that are not within the grace are taken away. */
  async allReturned(): Promise<void> {
    if (this.#leases.size > 0) {
      const returned = new Promise<void>((resolve) => {
        this.#onLastReturn = resolve
      })
      await within(this.#policy.grace, returned)
    }
    await Promise.all(this.#leases.toArray().map((lease) => lease.releaseBy(undefined, 'cancel')))
  }

  /** Close the connections of all leases now. */
  destroy(error: Error): void {
    for (const lease of this.#leases.toArray()) lease.destroy(error)
  }

  #connect(waiter: Waiter): void {
    let called = false
    try {
      const answer = connect(this.#pool, (error, client, release) => {
        called = true
        if (client === undefined)
          this.#fail(waiter, error ?? new Error('The pool gave no connection.'))
        // Not within the driver's own call: it would call the next one who gave up, and that the next, however many they are.
        else if (waiter.settled) queueMicrotask(() => outside(giveBack, client, release))
        else this.#hand(client, release, waiter)
      })
      // The driver answers nothing.
      if (isThenable(answer)) void this.#heed(answer, waiter, () => called)
    } catch (error) {
      // What it is to connect with makes no connection.
      this.#fail(waiter, error)
    }
  }

  /** Who wraps the driver may answer with a promise besides the callback; a stand-in may do nothing else. */
  async #heed(answer: PromiseLike<unknown>, waiter: Waiter, called: () => boolean): Promise<void> {
    try {
      const client = await answer
      if (!isObject(client) || called()) return
      giveBack(client, undefined)
      this.#fail(waiter, answeredOtherwise())
    } catch (error) {
      if (!called()) this.#fail(waiter, error)
    }
  }

  #hand(client: DriverClient, release: Release, waiter: Waiter): void {
    const known = this.#sessions.of(client)
    const refusal = known === undefined ? standIn(client) : undefined
    if (refusal !== undefined) {
      giveBack(client, release)
      this.#fail(waiter, refusal)
      return
    }
    // What waits for its end stays for as long as it lives.
    const session = known ?? outside(() => this.#sessions.meet(client, this.#policy))
    session.checkOut(release, this.#policy)
    if (waiter.ticket !== undefined) waiter.ticket.opened = known === undefined
    if (session.atRest) this.#lend(session, waiter)
    else void this.#bringToRest(session, waiter)
  }

  #lend(session: Session, waiter: Waiter): void {
    const lease = new Lease(session, this, waiter.ticket)
    lease.scope = waiter.scope
    this.#leases.add(lease)
    this.#waiters.remove(waiter)
    waiter.resolve(lease)
  }

  /** Somebody who does not use these leases returned it in the middle of something. */
  async #bringToRest(session: Session, waiter: Waiter): Promise<void> {
    await within(this.#policy.grace, session.whenQuiet())
    if (!session.atRest) session.retire(new Error('The connection was not at rest.'))
    if (waiter.settled) session.giveBack()
    else if (session.atRest) this.#lend(session, waiter)
    else if (waiter.lookAgain()) this.#connect(waiter)
    else this.#fail(waiter, neverAtRest())
  }
}
