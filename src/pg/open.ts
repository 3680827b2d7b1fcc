/** A pool of the driver, made into a pool of leases. */
import { checkOptions, expected } from '../core/options.ts'
import { outside, type DriverPool } from './driver.ts'
import { policyOf, poolRules } from './policy.ts'
import { LeasePool } from './pool.ts'
import type { PgPool, PgPoolLike, PgPoolOptions } from './types.ts'

/**
 * Leases over a pool of node-postgres: what is acquired is dead after its release, and its connection goes back without
 * an open transaction, a running statement or changed settings, or not at all.
 *
 * @example
 * ```ts
 * await using pool = pgPool(() => new pg.Pool({ connectionString }))
 * await using connection = await pool.acquire()
 * await using tx = await connection.begin()
 * await tx.query('insert into orders (item) values ($1)', ['tea'])
 * await tx.commit()
 * ```
 * @param pool a pool, or a function that makes one; what is made here is ended here
 * @throws {TypeError} for unknown or wrong options, and for what is not a pool
 */
export function pgPool<P extends PgPoolLike<unknown>>(
  pool: P | (() => P),
  options?: PgPoolOptions,
): PgPool<P> & AsyncDisposable {
  checkOptions('pgPool()', options, poolRules)
  const made = typeof pool === 'function'
  const { own = made, ...rest } = options ?? {}
  return new LeasePool<P>(checkPool(made ? outside(pool) : pool), own, policyOf(rest))
}

function checkPool(pool: unknown): DriverPool {
  const methods = ['connect', 'end', 'on'] as const
  const isPool =
    typeof pool === 'object' && pool !== null && methods.every((name) => isMethod(pool, name))
  // A client has these methods too, and connects once. The rest of a pool's shape is the driver's to keep.
  if (isPool && !('processID' in pool)) return pool as DriverPool
  throw expected(
    'the pool given to pgPool()',
    'a pool of node-postgres, or a function that makes one',
    pool,
  )
}

function isMethod(pool: object, name: string): boolean {
  // Its type follows from where it comes from, which the compiler does not see.
  return typeof (pool as Record<string, unknown>)[name] === 'function'
}
