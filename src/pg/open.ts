/** A pool of the driver, made into a pool of leases. */
import { isObject } from '../core/dispose.ts'
import { expected, isClass } from '../core/options.ts'
import { outside, type DriverPool } from './driver.ts'
import { FacadePool } from './facade-pool.ts'
import { checkPoolOptions, policyOf } from './policy.ts'
import { LeasePool } from './pool.ts'
import type { PgPool, PgPoolLike, PgPoolOptions } from './types.ts'

/**
 * Leases over a pool of node-postgres: what is acquired is dead after its release, and its connection goes back without
 * an open transaction, a running statement or changed settings, or not at all. In a service `pgResources` makes the pool,
 * which ends with the app.
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
  checkPoolOptions('pgPool()', options)
  checkSource('pgPool()', pool)
  return openPool('pgPool()', pool, options)
}

/** The same, where what is given is checked already. */
export function openPool<P extends PgPoolLike<unknown>>(
  where: string,
  pool: P | (() => P),
  options?: PgPoolOptions,
): LeasePool<P> {
  const made = typeof pool === 'function'
  const { own = made, ...rest } = options ?? {}
  return new LeasePool<P>(checkPool(where, made ? outside(pool) : pool), own, policyOf(rest))
}

/**
 * Where a pool is to be made later, all that can be said by now.
 * @throws {TypeError} naming `where`
 */
export function checkSource(where: string, pool: unknown): void {
  if (isPool(pool) || (typeof pool === 'function' && !isClass(pool))) return
  throw noPool(
    `the pool given to ${where}`,
    ', or a function that makes one, () => new Pool(…)',
    pool,
  )
}

function checkPool(where: string, pool: unknown): DriverPool {
  if (isPool(pool)) return pool
  throw noPool(`what the function given to ${where} made`, '', pool)
}

function noPool(what: string, orElse: string, pool: unknown): TypeError {
  const ours = isObject(pool) && FacadePool.is(pool)
  const wanted = ours
    ? 'the pool of node-postgres itself, and not `driver` or `asPool()`'
    : `a pool of node-postgres, with its methods ${methods.join(', ')}`
  return expected(what, `${wanted}${orElse}`, withoutSecrets(pool))
}

/** Of a connection string its protocol, of the options of a pool their names: messages go into logs. */
function withoutSecrets(given: unknown): unknown {
  if (typeof given === 'string') return given.replace(/\W.*/s, '…')
  if (!isObject(given) || Object.getPrototypeOf(given) !== Object.prototype) return given
  return Object.fromEntries(Object.keys(given).map((key) => [key, '…']))
}

const methods = ['connect', 'end', 'on'] as const

function isPool(pool: unknown): pool is DriverPool {
  if (typeof pool !== 'object' || pool === null) return false
  // A client has these methods too, and connects once. The rest of a pool's shape is the driver's to keep.
  const isOne = methods.every((name) => isMethod(pool, name)) && !('processID' in pool)
  // `driver` and `asPool()` hand out leases, which tell nobody what is open on them.
  return isOne && !FacadePool.is(pool)
}

function isMethod(pool: object, name: string): boolean {
  // Its type follows from where it comes from, which the compiler does not see.
  return typeof (pool as Record<string, unknown>)[name] === 'function'
}
