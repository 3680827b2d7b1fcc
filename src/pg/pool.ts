/**
 * The leases of one pool. Whoever waits for a connection can give up, and is turned away when the pool is disposed; a
 * connection that comes too late goes back. The driver is called outside of every request.
 */
import { Kind, ticketFor, type Ticket } from '../core/held.ts'
import { disposedError, refuseLent } from '../core/lease.ts'
import { abortSignal, bodyOf, checkOptions, count } from '../core/options.ts'
import { poolClosed, poolOpened, type PoolSource } from '../core/pools.ts'
import type { Scope } from '../core/types.ts'
import { Chain } from './chain.ts'
import {
  connectOutside,
  guard,
  outside,
  releaseOutside,
  type DriverClient,
  type DriverPool,
  type Release,
} from './driver.ts'
import { neverAtRest } from './errors.ts'
import type { FacadePool } from './facade-pool.ts'
import { poolOfLeases } from './facades.ts'
import { transactionRules } from './frame.ts'
import { Lease, type Lessor } from './lease.ts'
import type { Policy } from './policy.ts'
import { inTransaction, inTransactions, type Body } from './retry.ts'
import { sessionOf, type Session } from './session.ts'
import { keepShapes } from './shapes.ts'
import { Subscriptions } from './listen.ts'
import { poolName } from './pool-name.ts'
import { parseQuery } from './statement.ts'
import type { Subscription } from './subscription.ts'
import { within } from './time.ts'
import type { PgListenOptions } from './held-types.ts'
import type {
  PgPool,
  PgQueryConfig,
  PgQueryOptions,
  PgQueryResult,
  PgTransactionOptions,
} from './types.ts'
import { Waiter } from './waiter.ts'

type RetryOptions = PgTransactionOptions & { retry?: number }

const acquireRules = { signal: abortSignal }
const retryRules = { ...transactionRules, retry: count }

const what = 'The PostgreSQL pool'

export class LeasePool<P> implements PgPool<P>, AsyncDisposable, PoolSource, Lessor {
  readonly system = 'postgresql'
  /** The app that disposes it. */
  lender: Scope | undefined = undefined
  readonly #pool: DriverPool
  readonly #own: boolean
  readonly #policy: Policy
  readonly #leases = new Chain<Lease>()
  readonly #waiters = new Chain<Waiter>()
  /** The connections seen so far, until their sockets are closed. */
  readonly #sessions = new Map<DriverClient, Session>()
  readonly #onGiveUp = (waiter: Waiter): void => this.#waiters.remove(waiter)
  readonly #subscriptions: Subscriptions
  #driver: FacadePool | undefined = undefined
  #name: string | undefined = undefined
  /** Of its leases. */
  #kind: Kind | undefined = undefined
  #onLastReturn: (() => void) | undefined = undefined
  #disposing: Promise<void> | undefined = undefined

  // Query builders know a pool by the name of its class, and minifiers change that.
  static {
    Object.defineProperty(this, 'name', { value: 'PgPool' })
  }

  constructor(pool: DriverPool, own: boolean, policy: Policy) {
    this.#pool = pool
    this.#own = own
    this.#policy = policy
    this.#subscriptions = new Subscriptions(pool, policy)
    keepShapes()
    poolOpened(this)
    guard(pool)
  }

  acquire(options?: { signal?: AbortSignal }, lent = false): Promise<Lease> {
    try {
      if (options !== undefined) {
        checkOptions('acquire()', options, acquireRules)
        options.signal?.throwIfAborted()
      }
      if (this.#disposing !== undefined) throw this.#dead()
    } catch (error) {
      return Promise.reject(error)
    }
    const ticket = ticketFor((this.#kind ??= new Kind('pg.lease', { pool: this.poolName })), lent)
    if (ticket?.isTraced !== true) return this.#wait(options?.signal, ticket)
    return ticket.trace(() => this.#wait(options?.signal, ticket))
  }

  get poolName(): string {
    return (this.#name ??= poolName(this.#pool))
  }

  get driver(): P {
    // Typed as the pool that was given in: what it has is what query builders use of that.
    return (this.#driver ??= poolOfLeases(this.#pool, this)) as P
  }

  get limit(): number | undefined {
    return this.#pool.options?.max
  }

  // oxlint-disable-next-line typescript/no-explicit-any -- what a row is, only the statement knows
  async query<Row = any>(
    first: string | PgQueryConfig,
    second?: readonly unknown[] | PgQueryOptions,
    third?: PgQueryOptions,
  ): Promise<PgQueryResult<Row>> {
    const { signal } = parseQuery(first, second, third)
    const lease = await this.acquire(signal && { signal })
    try {
      return await lease.query<Row>(first, second, third)
    } finally {
      await lease.release()
    }
  }

  transaction<R>(first: RetryOptions | Body<R> | undefined, second?: Body<R>): Promise<R> {
    if (typeof first === 'function' && second === undefined) {
      return inTransaction(this.acquire(), undefined, first)
    }
    try {
      const body = bodyOf<Body<R>>('transaction()', first, second)
      checkOptions('transaction()', first, retryRules)
      // What is no function is the options.
      const { retry = 0, ...options } = (first ?? {}) as RetryOptions
      return inTransactions(this, options, retry, body)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  async listen(channel: string, options?: PgListenOptions): Promise<Subscription> {
    if (this.#disposing !== undefined) throw this.#dead()
    const subscription = await this.#subscriptions.listen(channel, options, this.poolName)
    if (this.#disposing === undefined) return subscription
    await subscription.end()
    throw this.#dead()
  }

  stats(): { total: number; idle: number; leased: number; waiting: number } {
    const leased = this.#leases.toArray().filter(({ connected }) => connected).length
    const { totalCount = this.#sessions.size, idleCount = totalCount - leased } = this.#pool
    return { total: totalCount, idle: idleCount, leased, waiting: this.#waiters.size }
  }

  [Symbol.asyncDispose](): Promise<void> {
    if (this.lender !== undefined) return refuseLent(what, this.lender)
    return this.release()
  }

  /** The same as disposing, for the app that lends it. */
  release(): Promise<void> {
    this.#disposing ??= this.#dispose()
    return this.#disposing
  }

  /** Whether one of its leases is held by whoever is meant. */
  isHeldBy(holder: (scope: Scope) => boolean): boolean {
    return this.#leases.toArray().some(({ scope }) => scope !== undefined && holder(scope))
  }

  /** For its leases. */
  returned(lease: Lease): void {
    this.#leases.remove(lease)
    if (this.#leases.size === 0) this.#onLastReturn?.()
  }

  /** Close every connection now. */
  destroy(error: Error): void {
    this.#disposing ??= Promise.resolve()
    poolClosed(this)
    this.#turnAway()
    void this.#subscriptions.end()
    for (const lease of this.#leases.toArray()) lease.destroy(error)
    for (const session of this.#sessions.values()) session.destroy(error)
  }

  #wait(signal: AbortSignal | undefined, ticket: Ticket | undefined): Promise<Lease> {
    return new Promise((resolve, reject) => {
      const waiter = new Waiter(resolve, reject, signal, this.#onGiveUp, ticket)
      this.#waiters.add(waiter)
      this.#connect(waiter)
    })
  }

  #connect(waiter: Waiter): void {
    connectOutside(this.#pool, (error, client, release) => {
      if (client === undefined)
        this.#fail(waiter, error ?? new Error('The pool gave no connection.'))
      else if (waiter.settled) releaseOutside(release)
      else this.#hand(client, release, waiter)
    })
  }

  #hand(client: DriverClient, release: Release, waiter: Waiter): void {
    const known = this.#sessions.get(client)
    const session = known ?? this.#meet(client)
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

  #fail(waiter: Waiter, error: Error): void {
    this.#waiters.remove(waiter)
    if (!waiter.settled) waiter.reject(error)
  }

  #meet(client: DriverClient): Session {
    const session = sessionOf(client, this.#policy)
    this.#sessions.set(client, session)
    void session.ended.then(() => this.#sessions.delete(client))
    return session
  }

  async #dispose(): Promise<void> {
    poolClosed(this)
    this.#turnAway()
    const ended = this.#subscriptions.end()
    await this.#leasesReturned()
    // Whoever still holds one has had the time to give it back.
    await Promise.all(this.#leases.toArray().map((lease) => lease.release(undefined, 'cancel')))
    await ended
    if (this.#own) await this.#end()
  }

  /** The driver would never answer those who wait when it is ended. */
  #turnAway(): void {
    for (const waiter of this.#waiters.toArray()) this.#fail(waiter, this.#dead())
  }

  async #leasesReturned(): Promise<void> {
    if (this.#leases.size === 0) return
    const returned = new Promise<void>((resolve) => {
      this.#onLastReturn = resolve
    })
    await within(this.#policy.grace, returned)
  }

  /** The driver calls a pool ended while its sockets are still open, and waits for ever for a connection that is not answered. */
  async #end(): Promise<void> {
    const { grace } = this.#policy
    if (this.#pool.ending !== true) await within(grace, outside(end, this.#pool))
    const sockets = Array.from(this.#sessions.values(), ({ ended }) => ended)
    const closed = await within(grace, Promise.all(sockets))
    if (!closed) for (const session of this.#sessions.values()) session.destroy(ending())
    // Those that are still being opened.
    for (const client of this.#pool._clients ?? []) client.connection?.stream.destroy()
  }

  #dead(): Error {
    return disposedError(what)
  }
}

function end(pool: DriverPool): Promise<void> {
  return pool.end()
}

function ending(): Error {
  return new Error('Its pool was disposed.')
}
