/**
 * A part of a request's work as a transaction: in that of the request, in a savepoint of it, or in one of its own. What
 * runs inside finds that transaction where it always looks for it.
 */
import { tryCurrentScope } from '../core/ambient.ts'
import { whenAborted } from '../core/deadline.ts'
import { isObject } from '../core/dispose.ts'
import { noScope } from '../core/misuse.ts'
import { bodyOf, checkOptions, expected, oneOf } from '../core/options.ts'
import { override } from '../core/resources/overrides.ts'
import { value } from '../core/resources/resource.ts'
import type { Override, Scope } from '../core/types.ts'
import { interrupt } from './ending.ts'
import { poolExhausted, unexpectedRollback } from './errors.ts'
import { transactionRules } from './frame.ts'
import { inSavepoint, inTransaction, isToEnd, type Body } from './in-transaction.ts'
import { join } from './joining.ts'
import { LeasePool } from './pool.ts'
import type { PgResources } from './resources.ts'
import { Transaction } from './transaction.ts'
import type { PgLease, PgTransaction, PgTransactionOptions } from './types.ts'

/**
 * How a transaction stands to the one around it.
 *
 * - `required` (default): joins it, or begins the request's
 * - `requiresNew`: a transaction of its own, on a connection of its own
 * - `nested`: a savepoint of it, or the request's where there is none
 */
export type PgPropagation = 'required' | 'requiresNew' | 'nested'

/** The options of a transaction, and how it stands to the one around it. */
export type PgTransactionalOptions = PgTransactionOptions & {
  /** Default `required`. */
  propagation?: PgPropagation
}

const rules = { ...transactionRules, propagation: oneOf('required', 'requiresNew', 'nested') }
const where = 'transactional()'

/**
 * Run `body` in a transaction of the current scope; what asks for the resource `transaction` inside of `body` gets that
 * one.
 *
 * - `required`: in the transaction of the request, which is begun where there is none yet, and commits with the request.
 *   Where `body` fails, the whole cannot commit any more: if somebody catches its error, the commit rejects with
 *   `ERR_PG_UNEXPECTED_ROLLBACK`, and so does a `required` part around it.
 * - `nested`: in a savepoint of that. Where `body` fails, or the scope in which it runs, it alone is undone, but for what the
 *   transaction was told beside it meanwhile, which is in the savepoint too: let parts at the same time be `required`, or
 *   `requiresNew`.
 * - `requiresNew`: in a transaction of its own, on another connection, which commits or rolls back with that scope. Rejects
 *   with `ERR_PG_POOL_EXHAUSTED` where the pool has no connection left and this scope holds one of them.
 *
 * The options are those of the transaction that begins. Joined to one that has begun, they have to be those of that, or
 * it rejects with a TypeError. Rejects with `ERR_NO_SCOPE` outside every scope, with `ERR_SCOPE_CLOSED` in one that has
 * closed, and with a TypeError for unknown or wrong options.
 *
 * @example
 * ```ts
 * await transactional(db, async (tx) => {
 *   await tx.query('update accounts set balance = balance - $1 where id = $2', [100, from])
 *   await transactional(db, { propagation: 'requiresNew' }, (own) =>
 *     own.query('insert into audit (what) values ($1)', ['transfer tried']),
 *   )
 * })
 * ```
 */
export function transactional<R>(resources: PgResources, body: Body<R>): Promise<R>
export function transactional<R>(
  resources: PgResources,
  options: PgTransactionalOptions,
  body: Body<R>,
): Promise<R>
export async function transactional<R>(
  resources: PgResources,
  first: PgTransactionalOptions | Body<R> | undefined,
  second?: Body<R>,
): Promise<R> {
  if (!isOurs(resources)) {
    throw expected(`the first argument of ${where}`, 'what pgResources() returned', resources)
  }
  const body = bodyOf<Body<R>>(where, first, second)
  const given = typeof first === 'function' ? undefined : first
  checkOptions(where, given, rules)
  const { propagation = 'required', ...options } = given ?? {}
  options.signal?.throwIfAborted()
  const scope = tryCurrentScope()
  if (scope === undefined) throw noScope(where)
  return await ways[propagation]({ scope, resources, options }, body)
}

/** By shape: a pool has transactions too, and a single resource is easily taken for all of them. */
function isOurs(resources: unknown): boolean {
  return isObject(resources) && 'transaction' in resources && 'connection' in resources
}

/** Where it is called, and how. */
interface Call {
  readonly scope: Scope
  readonly resources: PgResources
  readonly options: PgTransactionOptions
}

type Way = <R>(call: Call, body: Body<R>) => Promise<R>

const ways: Readonly<Record<PgPropagation, Way>> = { required, nested, requiresNew }

async function required<R>({ scope, resources, options }: Call, body: Body<R>): Promise<R> {
  const { signal } = options
  const tx = await join(scope, resources.transaction, options, where)
  // Somebody may have replaced it, as a test does.
  const whole = tx instanceof Transaction ? tx : undefined
  const stop = signal && whole && cancelOnAbort(whole, signal)
  let result: R
  try {
    result = await body(tx)
    signal?.throwIfAborted()
  } catch (error) {
    const cause: unknown = isCancelled(error, signal) ? signal?.reason : error
    if (whole !== undefined) whole.doomed ??= { cause }
    throw cause
  } finally {
    stop?.()
  }
  if (whole?.doomed !== undefined) throw unexpectedRollback(whole.doomed.cause)
  return result
}

/** The server ended the statement because of the abort of `signal`. */
function isCancelled(error: unknown, signal: AbortSignal | undefined): boolean {
  if (signal?.aborted !== true || !isObject(error)) return false
  const { code, cause } = error as { readonly code?: unknown; readonly cause?: unknown }
  return code === '57014' && cause === signal.reason
}

/**
 * When `signal` aborts, cancel what runs on the connection, and refuse what waits and what comes.
 * @returns what stops that
 */
function cancelOnAbort(tx: Transaction, signal: AbortSignal): () => void {
  const unfollow = whenAborted(signal, () => {
    try {
      const session = tx.usable()
      tx.contents.stopped = signal
      // Whatever it is.
      session.line.refuse(() => signal.reason as unknown)
      void session.exclusively(() => interrupt(session))
    } catch {
      // It is over, and the connection may be somebody else's.
    }
  })
  return () => {
    unfollow()
    if (tx.contents.stopped === signal) tx.contents.stopped = undefined
  }
}

async function nested<R>(call: Call, body: Body<R>): Promise<R> {
  const { scope, resources, options } = call
  const around = await join(scope, resources.transaction, options, where)
  const savepoint =
    around instanceof Transaction
      ? await around.savepoint(options.signal)
      : await around.savepoint()
  return await inSavepoint(savepoint, () => inside(call, savepoint, [], body))
}

async function requiresNew<R>(call: Call, body: Body<R>): Promise<R> {
  const { scope, resources, options } = call
  const { signal } = options
  const pool = await scope.get(resources.pool)
  if (pool instanceof LeasePool) refuseToWaitForItself(pool, scope)
  const lease = await pool.acquire(signal && { signal })
  return await inTransaction(lease, options, (tx) => {
    const own = [override(resources.connection, value<PgLease>(lease))]
    return inside(call, tx, own, body)
  })
}

/** In a scope of its own, in which `tx` is the transaction, and which may fail although `body` gives something. */
async function inside<R>(
  { scope, resources, options: { signal } }: Call,
  tx: PgTransaction,
  more: readonly Override[],
  body: Body<R>,
): Promise<R> {
  const overrides = [override(resources.transaction, value<PgTransaction>(tx)), ...more]
  const options = { name: 'transactional', overrides, ...(signal && { signal }) }
  let failed = false
  const result = await scope.run(options, (own) => {
    own.defer(({ status }) => {
      failed = status !== 'success'
    })
    return body(tx)
  })
  if (failed && isToEnd(tx)) await tx.rollback()
  return result
}

/** A connection that only this scope could give back would never come. */
function refuseToWaitForItself(pool: LeasePool<unknown>, scope: Scope): void {
  const { limit } = pool
  const { total, idle } = pool.stats()
  if (limit === undefined || idle > 0 || total < limit) return
  const around = new Set<Scope>()
  for (let at: Scope | undefined = scope; at !== undefined; at = at.parent) {
    if (at.kind !== 'app') around.add(at)
  }
  if (pool.isHeldBy((holder) => around.has(holder))) throw poolExhausted(scope, limit)
}
