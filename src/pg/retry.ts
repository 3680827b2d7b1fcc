/** A transaction around a function: begin, run, commit; and all of it again where the server asks for that. */
import { setTimeout as pause } from 'node:timers/promises'
import { primaryError, suppress } from '../core/dispose.ts'
import type { AfterCommit } from './commit.ts'
import { Transaction } from './transaction.ts'
import type { PgLease, PgTransaction, PgTransactionOptions } from './types.ts'

export type Body<R> = (tx: PgTransaction) => R | PromiseLike<R>

type OwnLease = PgLease & AsyncDisposable

interface Acquires {
  acquire(options?: { signal?: AbortSignal }): Promise<OwnLease>
}

/** Milliseconds: the first pause is at most `base` long, and each at most twice the one before, up to `longest`. */
const base = 10
const longest = 1_000

/** Serialization failure, deadlock: the transaction did nothing wrong, and nothing at all. */
const retried: ReadonlySet<unknown> = new Set(['40001', '40P01'])

/** On a lease that nobody else uses, which is given back. */
export async function inTransaction<R>(
  acquired: OwnLease | Promise<OwnLease>,
  options: PgTransactionOptions | undefined,
  body: Body<R>,
): Promise<R> {
  const lease = await acquired
  let later: AfterCommit | undefined
  let result: R
  let tx: (PgTransaction & AsyncDisposable) | undefined
  try {
    tx = await lease.begin(options)
    result = await body(tx)
    // Once the connection is back: they may ask the pool for one, and there may be no other.
    if (tx instanceof Transaction) later = tx.postponeCallbacks()
    if (isToCommit(tx)) await tx.commit()
  } catch (error) {
    throw tx === undefined ? error : await afterDispose(tx, error)
  } finally {
    await lease[Symbol.asyncDispose]()
  }
  if (later !== undefined) await later.run()
  return result
}

/** The same, in a part of a transaction that goes on. */
export async function inSavepoint<R>(
  savepoint: PgTransaction & AsyncDisposable,
  body: Body<R>,
): Promise<R> {
  try {
    const result = await body(savepoint)
    if (isToCommit(savepoint)) await savepoint.commit()
    await savepoint[Symbol.asyncDispose]()
    return result
  } catch (error) {
    throw await afterDispose(savepoint, error)
  }
}

/** What to throw for `error`, once what it happened in is rolled back. */
async function afterDispose(tx: AsyncDisposable, error: unknown): Promise<unknown> {
  try {
    await tx[Symbol.asyncDispose]()
    return error
  } catch (failure) {
    return suppress(failure, error)
  }
}

/** As `inTransaction`, on a lease for each attempt, of which there are up to `retry` more. */
export async function inTransactions<R>(
  pool: Acquires,
  options: PgTransactionOptions | undefined,
  retry: number,
  body: Body<R>,
): Promise<R> {
  const signal = options?.signal
  for (let attempt = 0; ; attempt += 1) {
    let begun: PgTransaction | undefined
    try {
      return await inTransaction(pool.acquire(signal && { signal }), options, (tx) => {
        begun = tx
        return body(tx)
      })
    } catch (error) {
      // What failed after the commit must not commit again.
      if (attempt >= retry || begun?.state === 'committed' || !asksForRetry(error)) throw error
    }
    await jitter(attempt, signal)
  }
}

/** The body may have ended it itself; where a statement did, its commit tells. */
function isToCommit(tx: PgTransaction): boolean {
  const { state } = tx
  return state === 'open' || state === 'failed' || (tx instanceof Transaction && tx.lapsed)
}

/** Also where a query builder wrapped the server's error, or the body swallowed it and COMMIT told. */
function asksForRetry(error: unknown): boolean {
  for (
    let at = primaryError(error), depth = 0;
    at instanceof Error && depth < 10;
    at = at.cause, depth += 1
  ) {
    if ('code' in at && at.code === 'ERR_PG_COMMIT_UNKNOWN') return false
    if ('code' in at && retried.has(at.code)) return true
  }
  return false
}

/** At random over the whole length: those who collided do not meet again. */
async function jitter(attempt: number, signal: AbortSignal | undefined): Promise<void> {
  const ms = Math.random() * Math.min(longest, base * 2 ** attempt)
  try {
    await pause(ms, undefined, signal && { signal })
  } catch {
    signal?.throwIfAborted()
  }
}
