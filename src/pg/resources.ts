/**
 * A request's connection and its transaction, as resources. They are lent: the scope releases them, and what a request
 * left running cannot use them afterwards.
 */
import { asyncDisposer } from '../core/dispose.ts'
import { resource } from '../core/resources/resource.ts'
import type { Resource, Scope } from '../core/types.ts'
import { transactionFrame } from './frame.ts'
import { isToEnd } from './in-transaction.ts'
import { wishedFor } from './joining.ts'
import { Lease } from './lease.ts'
import { checkSource, openPool } from './open.ts'
import { checkPoolOptions, poolRules } from './policy.ts'
import { LeasePool } from './pool.ts'
import { Transaction } from './transaction.ts'
import type {
  PgLease,
  PgPool,
  PgPoolLike,
  PgPoolOptions,
  PgTransaction,
  PgTransactionOptions,
} from './types.ts'

/** A pool, and what a request takes from it, for `scope.get`. */
export interface PgResources<P = unknown> {
  /** Lifetime `app`. */
  readonly pool: Resource<PgPool<P>>
  /** The request's lease. */
  readonly connection: Resource<PgLease>
  /**
   * The request's transaction, on the request's `connection`: while it is open, statements on the connection run in
   * it. Commits on success, rolls back on every other outcome.
   */
  readonly transaction: Resource<PgTransaction>
}

/** What begins and ends a request's transaction is in `transaction`. */
export type PgResourcesOptions = PgPoolOptions & {
  /** For the request's transaction. */
  transaction?: PgTransactionOptions
}

const resourcesRules = {
  ...poolRules,
  transaction: { expected: 'an object', accepts: (value: unknown) => typeof value === 'object' },
}

/**
 * What a request handler asks for with `scope.get`; an app has one pool.
 *
 * @example
 * ```ts
 * const db = pgResources(() => new pg.Pool({ connectionString }))
 * await app.run(async (scope) => {
 *   const tx = await scope.get(db.transaction)
 *   await tx.query('insert into orders (item) values ($1)', ['tea'])
 * })
 * ```
 * @param pool a pool, or a function that makes one, called once for each app
 * @throws {TypeError} for unknown or wrong options
 */
export function pgResources<P extends PgPoolLike<unknown>>(
  pool: P | (() => P),
  options?: PgResourcesOptions,
): PgResources<P> {
  checkPoolOptions('pgResources()', options, resourcesRules)
  checkSource('pgResources()', pool)
  const { transaction: transactionOptions, ...poolOptions } = options ?? {}
  transactionFrame(transactionOptions, 'the `transaction` given to pgResources()')

  const poolResource = poolOf(pool, poolOptions)
  const connection = connectionOf(poolResource)
  return {
    pool: poolResource,
    connection,
    transaction: transactionOf(connection, transactionOptions),
  }
}

function poolOf<P extends PgPoolLike<unknown>>(
  pool: P | (() => P),
  options: PgPoolOptions,
): Resource<PgPool<P>> {
  return resource<LeasePool<P>>({
    name: 'pg.pool',
    lifetime: 'app',
    acquire: ({ scope }) => lent(openPool('pgResources()', pool, options), scope),
    release: (open) => open.endWithApp(),
    destroy: (open, why) => open.destroy(why),
  })
}

function connectionOf(pool: Resource<PgPool>): Resource<PgLease> {
  return resource<PgLease>({
    name: 'pg.connection',
    acquire: async (context) => {
      const { get, scope } = context
      const open = await get(pool)
      // Somebody's own needs the signal, which is made when it is looked at.
      const lease =
        open instanceof LeasePool
          ? open.acquireFor(scope)
          : open.acquire({ signal: context.signal })
      return lent(await lease, scope)
    },
    release: (lease) => (lease instanceof Lease ? lease.releaseBy(lease.lender) : dispose(lease)),
    destroy: (lease, why) => {
      if (lease instanceof Lease) lease.destroy(why)
    },
  })
}

function transactionOf(
  connection: Resource<PgLease>,
  options: PgTransactionOptions | undefined,
): Resource<PgTransaction> {
  const transaction = resource<PgTransaction>({
    name: 'pg.transaction',
    acquire: async ({ get, scope }) => {
      const lease = await get(connection)
      const wished = wishedFor(transaction, scope)
      const asked = wished === undefined ? options : { ...options, ...wished }
      return lent(
        await (lease instanceof Lease ? lease.begin(asked, true) : lease.begin(asked)),
        scope,
      )
    },
    release: (tx, { status }) => end(tx, status === 'success'),
    destroy: (tx, why) => (tx instanceof Transaction ? tx.destroy(why) : undefined),
  })
  return transaction
}

/** Who closes it is what a use after that is told. */
function lent<T extends object>(handle: T, scope: Scope): T {
  const isOurs =
    handle instanceof Lease || handle instanceof LeasePool || handle instanceof Transaction
  if (isOurs) handle.lend(scope)
  return handle
}

function end(tx: PgTransaction, succeeded: boolean): Promise<void> {
  const how = succeeded ? 'commit' : 'rollback'
  if (tx instanceof Transaction) return tx.endWith(how)
  return isToEnd(tx) ? tx[how]() : Promise.resolve()
}

/** What `acquire` gives has one, although a resource of the same type may have none. */
async function dispose(value: object): Promise<void> {
  const method = asyncDisposer(value)
  await method?.call(value)
}
