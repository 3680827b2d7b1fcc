/**
 * What leases, transactions and pools are to those who use them. The pool that is given in is described by the part
 * of it that is used: no driver is imported, in the code or in the declarations.
 */
import type {
  PgCursor,
  PgCursorOptions,
  PgListenOptions,
  PgLock,
  PgLockKey,
  PgLockOptions,
  PgSubscription,
} from './held-types.ts'
import type { PgQueryable } from './query-types.ts'

export type { PgQueryable, PgQueryConfig, PgQueryOptions, PgQueryResult } from './query-types.ts'

/** The part of `pg.Pool` that is used. Both overloads of `connect` are needed for inference. */
export interface PgPoolLike<Client> {
  /** Read for its `max` and its `types`. */
  readonly options?: object
  /** The class of its connections. */
  readonly Client?: unknown
  /** Gives a connection. */
  connect(): Promise<Client>
  connect(
    callback: (
      error: Error | undefined,
      client: Client | undefined,
      // oxlint-disable-next-line typescript/no-explicit-any -- the driver's own signature
      release: (error?: any) => void,
    ) => void,
  ): void
  /** Closes its connections. */
  end(): Promise<void>
  /** Listened to for `connect` and `error`. */
  // oxlint-disable-next-line typescript/no-explicit-any -- the driver's own signature
  on(event: string, listener: (...args: any[]) => void): unknown
}

/** What a lease does about session state on release. `{ sql }` replaces the statements that reset it. */
export type PgReset =
  | 'auto'
  | 'always'
  | 'never'
  | {
      /** One statement or more, in the place of those that reset everything. */
      sql: string
      /** Default `auto`. */
      when?: 'auto' | 'always'
    }

/** Who ends the pool, and what a lease does at its release. */
export interface PgPoolOptions {
  /** End the pool on dispose. Default: `true` when the pool was made here from a factory, else `false`. */
  own?: boolean
  /**
   * What a lease does about session state on release. Default `auto`: only when something was changed, as far as the
   * answers of the server and the texts of its statements show it. What functions, views and triggers change does not show:
   * call `markDirty()`, or use `always`.
   */
  reset?: PgReset
  /**
   * What dispose does about a statement still running. Default `cancel`. `wait` gives it `grace` to finish and then
   * cancels. `destroy` closes the connection; the server may go on with the statement.
   */
  inFlight?: 'cancel' | 'wait' | 'destroy'
  /** Milliseconds for a cancel, rollback or reset before the connection is destroyed. Default 2_000. */
  grace?: number
  /**
   * Behind PgBouncer in transaction mode: what needs a session of the server for longer than a transaction (session locks,
   * LISTEN, session settings, temporary tables) is refused with `ERR_PG_TRANSACTION_POOLING`, and nothing is reset: a
   * `reset` of `always` or of your own SQL is a TypeError. Default `false`.
   */
  transactionPooling?: boolean
}

/** What a transaction begins with. */
export interface PgTransactionOptions {
  /** Default: the server's, usually `read committed`. */
  isolation?: 'read committed' | 'repeatable read' | 'serializable'
  /** The server refuses what writes. Default: the server's, usually `false`. */
  readOnly?: boolean
  /** A serializable, read-only transaction waits until it cannot fail. Default: the server's, usually `false`. */
  deferrable?: boolean
  /**
   * Aborting cancels the statement that runs and refuses all later ones, COMMIT and those of the lease included, with the
   * signal's reason.
   */
  signal?: AbortSignal
}

/** A lease that somebody owns is `PgLease & AsyncDisposable`; what a scope lends has no disposal. */
export interface PgLease extends PgQueryable {
  /** Whether it was given back. Every use rejects or throws `ERR_DISPOSED` then. */
  readonly disposed: boolean
  /**
   * Begin a transaction. While it is open, the lease's statements run in it. Disposing it without `commit()` rolls back.
   * Rejects with `ERR_PG_TRANSACTION_OPEN` while another one is open.
   */
  begin(options?: PgTransactionOptions): Promise<PgTransaction & AsyncDisposable>
  /**
   * A cursor, opened by its first read. In a transaction, other statements may run between its reads. Outside of one it
   * has a transaction of its own, and the connection to itself from its first read to its end: until then, everything
   * else that is asked of the lease rejects with `ERR_PG_CURSOR_OPEN`. What reads no rows by itself, such as INSERT …
   * RETURNING, is run as a whole.
   * @throws `ERR_DISPOSED`; a TypeError for wrong options
   */
  // oxlint-disable-next-line typescript/no-explicit-any -- what a row is, only the statement knows
  cursor<Row = any>(
    text: string,
    values?: readonly unknown[],
    options?: PgCursorOptions,
  ): PgCursor<Row> & AsyncDisposable
  /**
   * Take an advisory lock of the session: the same one as often as you like. It is given back by its dispose, in a failed
   * transaction as soon as that has ended, and with the lease. Rejects with `ERR_PG_LOCK_NOT_AVAILABLE` after `timeout`,
   * which leaves an open transaction as it was, and with the signal's reason.
   *
   * @example
   * ```ts
   * await using lock = await lease.advisoryLock('nightly report', { timeout: 5_000 })
   * await makeReport({ signal: lock.signal })
   * ```
   */
  advisoryLock(key: PgLockKey, options?: PgLockOptions): Promise<PgLock & AsyncDisposable>
  /** The same without waiting: `undefined` where somebody else holds it. */
  tryAdvisoryLock(
    key: PgLockKey,
    options?: { shared?: boolean },
  ): Promise<(PgLock & AsyncDisposable) | undefined>
  /**
   * A pool of this one connection, for query builders: `release` and `end` do nothing. Where a transaction of `begin()` is
   * open, a BEGIN by text is a savepoint of it; of two that are begun by text at a time, the second is refused.
   *
   * @example
   * ```ts
   * const db = drizzle(lease.asPool<pg.Pool>())
   * ```
   */
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- only the caller knows what it needs
  asPool<P>(): P
  /**
   * Cancel what is running, refuse what is queued; resolves when the connection is quiet again, or was destroyed
   * because it did not become so within `grace`.
   */
  cancel(): Promise<void>
  /**
   * The next user must find a reset session although nothing visible changed it.
   * @throws `ERR_DISPOSED`
   */
  markDirty(): void
  /**
   * The driver's own client, for what is not wrapped. Marks the lease dirty. Do not use it after the release, which ends
   * what it runs as `inFlight` says: handle what that rejects with.
   * @throws `ERR_DISPOSED`
   */
  unsafeClient(): unknown
}

/**
 * A transaction or a savepoint. One that somebody owns is `& AsyncDisposable`, and is rolled back when it is disposed
 * without `commit()`.
 */
export interface PgTransaction extends PgQueryable {
  /** `failed`: a statement failed, and the server accepts nothing but a rollback. */
  readonly state: 'open' | 'failed' | 'committed' | 'rolled back'
  /**
   * Commit. Rejects with `ERR_PG_ROLLED_BACK` where the server rolled back instead, with `ERR_PG_UNEXPECTED_ROLLBACK` where a
   * part that had joined it failed, with `ERR_PG_TRANSACTION_ENDED` where a statement had ended it, with
   * `ERR_PG_COMMIT_UNKNOWN` where the connection was lost meanwhile or the driver gave the COMMIT up, with
   * `ERR_PG_TRANSACTION_OPEN` while a savepoint is open, with `ERR_DISPOSED` after its rollback, and with the first error
   * of an `afterCommit` callback, although the transaction is committed then. A second call gives what the first does; once
   * that has been rolled back, `ERR_DISPOSED`.
   */
  commit(): Promise<void>
  /** Roll back. Resolves also where the connection had to be destroyed: the server rolls back then. */
  rollback(): Promise<void>
  /**
   * A nested transaction: released by `commit`, rolled back to on dispose. One at a time: rejects with
   * `ERR_PG_TRANSACTION_OPEN` while another one is open. What the transaction itself is told meanwhile is in it, too.
   */
  savepoint(): Promise<PgTransaction & AsyncDisposable>
  /**
   * A cursor, opened by its first read and closed with the transaction. Other statements may run between its reads.
   * @throws `ERR_DISPOSED`; a TypeError for wrong options
   */
  // oxlint-disable-next-line typescript/no-explicit-any -- what a row is, only the statement knows
  cursor<Row = any>(
    text: string,
    values?: readonly unknown[],
    options?: PgCursorOptions,
  ): PgCursor<Row> & AsyncDisposable
  /**
   * Take an advisory lock that ends with the transaction. Rejects with `ERR_PG_LOCK_NOT_AVAILABLE` after `timeout`, which
   * leaves the transaction as it was, and with the signal's reason.
   */
  advisoryLock(key: PgLockKey, options?: PgLockOptions): Promise<void>
  /** The same without waiting: `false` where somebody else holds it. */
  tryAdvisoryLock(key: PgLockKey, options?: { shared?: boolean }): Promise<boolean>
  /**
   * A pool of this transaction's connection, for query builders: `release` and `end` do nothing. A BEGIN by text is a
   * savepoint, and a COMMIT or ROLLBACK of what was not begun there is refused.
   *
   * @example
   * ```ts
   * const db = drizzle(tx.asPool<pg.Pool>())
   * ```
   */
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- only the caller knows what it needs
  asPool<P>(): P
  /**
   * `callback` runs once the commit is known to have succeeded; for a savepoint, that of the whole transaction. After
   * `pool.transaction()` and `requiresNew` its connection is back in the pool by then; elsewhere it is still held.
   * @throws `ERR_DISPOSED`
   */
  afterCommit(callback: () => unknown): void
}

/** A pool of the driver whose connections are leased: dead after their release, and clean for whoever is next. */
export interface PgPool<out P = unknown> extends PgQueryable {
  /**
   * For query builders that want a pool of the driver: a facade typed as the pool given in. Its clients are leases, dead
   * after their release; a BEGIN by text is a transaction of theirs; `end` does nothing, because this pool owns what it
   * stands for. Of the driver's pool it has `connect`, `query`, `end`, the events, the counts, `options` and `Client`.
   *
   * @example
   * ```ts
   * const db = new Kysely<Database>({ dialect: new PostgresDialect({ pool: pool.driver }) })
   * ```
   */
  readonly driver: P
  /** A connection of one's own, until it is disposed. Rejects with the signal's reason, or with `ERR_DISPOSED`. */
  acquire(options?: { signal?: AbortSignal }): Promise<PgLease & AsyncDisposable>
  /**
   * Begin, run, commit; roll back on failure. With `retry` (default 0), the whole function runs again up to that many
   * times where the server asks for it (40001, 40P01), each time in a new transaction. It is that of `body` alone: what asks
   * for the resource `transaction` inside of it gets the request's, unlike with `transactional`. Rejects with what `body`
   * throws, and as `acquire()`, `begin()` and `commit()` do.
   */
  transaction<R>(body: (tx: PgTransaction) => R | PromiseLike<R>): Promise<R>
  transaction<R>(
    options: PgTransactionOptions & { retry?: number },
    body: (tx: PgTransaction) => R | PromiseLike<R>,
  ): Promise<R>
  /**
   * Listen to `channel`, on a connection of its own beside those of the pool. A connection that breaks, or does not answer
   * within `heartbeat`, is replaced for as long as it takes; what may have been missed meanwhile is a `gap`, told once
   * the new one listens. The name is taken as it is: `listen('Orders')` hears `NOTIFY "Orders"`.
   *
   * Rejects where the first connection fails, with the signal's reason, and with `ERR_DISPOSED`.
   *
   * @example
   * ```ts
   * await using orders = await pool.listen('orders')
   * for await (const message of orders) {
   *   if ('gap' in message) await lookForOrders()
   *   else await process(message.payload)
   * }
   * ```
   */
  listen(channel: string, options?: PgListenOptions): Promise<PgSubscription & AsyncDisposable>
  /** How many connections there are now, and how many calls wait for one. */
  stats(): {
    /** Connections that are open or being opened. */
    readonly total: number
    /** Open, and with nobody. */
    readonly idle: number
    /** Until the connection is back in the pool, or lost: its clean-up counts. */
    readonly leased: number
    /** Calls that wait for a connection. */
    readonly waiting: number
  }
}
