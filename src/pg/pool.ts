/**
 * A pool of leases, as its users have it. From the beginning of its end nobody gets one any more; who holds one has the
 * time to give it back.
 */
import { Kind, ticketFor } from '../core/watching/held.ts'
import { disposedError, refuseLent } from '../core/lease.ts'
import { abortSignal, bodyOf, checkOptions, count } from '../core/options.ts'
import { poolClosed, poolOpened, type PoolSource } from '../core/watching/pools.ts'
import { ScopeNode } from '../core/scope.ts'
import type { Scope } from '../core/types.ts'
import { within } from '../core/waiting.ts'
import { guard, outside, type DriverPool } from './driver.ts'
import type { FacadePool } from './facade-pool.ts'
import { poolOfLeases } from './facades.ts'
import { reasonOf, type Abortable } from './follow.ts'
import { transactionRules } from './frame.ts'
import { inTransaction, type Body } from './in-transaction.ts'
import type { Lease } from './lease.ts'
import { Lessor } from './lessor.ts'
import type { Policy } from './policy.ts'
import { inTransactions } from './retry.ts'
import { Sessions } from './sessions.ts'
import { keepShapes } from './shapes.ts'
import { Subscriptions } from './listen.ts'
import { poolName } from './pool-name.ts'
import { parseQuery } from './query-arguments.ts'
import type { Subscription } from './subscription.ts'
import type { PgListenOptions } from './held-types.ts'
import type {
  PgPool,
  PgQueryConfig,
  PgQueryOptions,
  PgQueryResult,
  PgTransactionOptions,
} from './types.ts'

type RetryOptions = PgTransactionOptions & { retry?: number }

const acquireRules = { signal: abortSignal }
const retryRules = { ...transactionRules, retry: count }

const what = 'The PostgreSQL pool'

export class LeasePool<P> implements PgPool<P>, AsyncDisposable, PoolSource {
  readonly system = 'postgresql'
  /** The app that disposes it. */
  lender: Scope | undefined = undefined
  readonly #pool: DriverPool
  readonly #own: boolean
  readonly #policy: Policy
  readonly #sessions: Sessions
  readonly #lessor: Lessor
  readonly #subscriptions: Subscriptions
  #driver: FacadePool | undefined = undefined
  #name: string | undefined = undefined
  /** Of its leases. */
  #kind: Kind | undefined = undefined
  #disposing: Promise<void> | undefined = undefined

  // Query builders know a pool by the name of its class, and minifiers change that.
  static {
    Object.defineProperty(this, 'name', { value: 'PgPool' })
  }

  constructor(pool: DriverPool, own: boolean, policy: Policy) {
    this.#pool = pool
    this.#own = own
    this.#policy = policy
    this.#sessions = new Sessions(pool)
    this.#lessor = new Lessor(pool, policy, this.#sessions)
    this.#subscriptions = new Subscriptions(pool, policy)
    keepShapes()
    poolOpened(this)
    guard(pool)
  }

  acquire(options?: { signal?: AbortSignal }): Promise<Lease> {
    try {
      if (options !== undefined) checkOptions('acquire()', options, acquireRules)
      return this.#acquire(options?.signal, false)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** What `scope` will lend and give back; its abort ends the wait. */
  acquireFor(scope: Scope): Promise<Lease> {
    // One of another copy of this package has nothing but its signal.
    return this.#acquire(scope instanceof ScopeNode ? scope : scope.signal, true)
  }

  #acquire(by: Abortable | undefined, lent: boolean): Promise<Lease> {
    if (by?.aborted === true) return Promise.reject(reasonOf(by))
    if (this.#disposing !== undefined) return Promise.reject(this.#dead())
    const ticket = ticketFor((this.#kind ??= new Kind('pg.lease', { pool: this.poolName })), lent)
    if (ticket?.isTraced !== true) return this.#lessor.acquire(by, ticket)
    return ticket.trace(() => this.#lessor.acquire(by, ticket))
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
      await lease[Symbol.asyncDispose]()
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
    const { leased, waiting } = this.#lessor
    const { totalCount = this.#sessions.size, idleCount = totalCount - leased } = this.#pool
    return { total: totalCount, idle: idleCount, leased, waiting }
  }

  /** `app` disposes it from now on. */
  lend(app: Scope): void {
    this.lender = app
  }

  [Symbol.asyncDispose](): Promise<void> {
    if (this.lender !== undefined) return refuseLent(what, this.lender)
    return this.endWithApp()
  }

  /** The same as disposing, for the app that lends it. */
  endWithApp(): Promise<void> {
    this.#disposing ??= this.#dispose()
    return this.#disposing
  }

  /** Whether one of its leases is held by whoever is meant. */
  isHeldBy(holder: (scope: Scope) => boolean): boolean {
    return this.#lessor.isHeldBy(holder)
  }

  /** Close every connection now, but for those that others may use. */
  destroy(error: Error): void {
    this.#disposing ??= Promise.resolve()
    void this.#close()
    this.#lessor.destroy(error)
    if (this.#own) this.#sessions.destroy(error)
  }

  async #dispose(): Promise<void> {
    const closed = this.#close()
    await this.#lessor.allReturned()
    await closed
    if (this.#own) await this.#end()
  }

  /** Nobody gets anything from it any more. Resolves when its subscriptions have ended. */
  #close(): Promise<void> {
    poolClosed(this)
    this.#lessor.turnAway(() => this.#dead())
    return this.#subscriptions.end()
  }

  /** The driver calls a pool ended while its sockets are still open, and waits for ever for a connection that is not answered. */
  async #end(): Promise<void> {
    const { grace } = this.#policy
    if (this.#pool.ending !== true) await within(grace, outside(end, this.#pool))
    await this.#sessions.closed(grace)
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
