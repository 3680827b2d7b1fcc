/** A transaction around a function: begin, run, commit; the same with a savepoint. */
import { suppress } from '../core/dispose.ts'
import { callAll, type Callback } from './commit.ts'
import { Transaction } from './transaction.ts'
import type { PgLease, PgTransaction, PgTransactionOptions } from './types.ts'

export type Body<R> = (tx: PgTransaction) => R | PromiseLike<R>

export type OwnLease = PgLease & AsyncDisposable

/** On a lease that nobody else uses, which is given back. */
export async function inTransaction<R>(
  acquired: OwnLease | Promise<OwnLease>,
  options: PgTransactionOptions | undefined,
  body: Body<R>,
): Promise<R> {
  const lease = await acquired
  let later: readonly Callback[] | undefined
  let result: R
  let tx: (PgTransaction & AsyncDisposable) | undefined
  try {
    tx = await lease.begin(options)
    result = await body(tx)
    if (isToEnd(tx)) {
      // They run once the connection is back: they may ask the pool for one, and there may be no other.
      if (tx instanceof Transaction) later = tx.takeCallbacks()
      await tx.commit()
    }
    await tx[Symbol.asyncDispose]()
  } catch (error) {
    if (tx === undefined) throw error
    return await failWith(error, tx)
  } finally {
    await lease[Symbol.asyncDispose]()
  }
  if (later !== undefined) await callAll(later)
  return result
}

/** The same, in a part of a transaction that goes on. For the one above, a function around this would cost a tenth. */
export async function inSavepoint<R>(
  savepoint: PgTransaction & AsyncDisposable,
  body: Body<R>,
): Promise<R> {
  try {
    const result = await body(savepoint)
    if (isToEnd(savepoint)) await savepoint.commit()
    await savepoint[Symbol.asyncDispose]()
    return result
  } catch (error) {
    return await failWith(error, savepoint)
  }
}

/** Throw `error`, which may be a promise, once what it happened in is rolled back. */
async function failWith(error: unknown, tx: AsyncDisposable): Promise<never> {
  try {
    await tx[Symbol.asyncDispose]()
  } catch (failure) {
    throw suppress(failure, error)
  }
  throw error
}

/** Whoever had it may have ended it; where it has failed, or a statement ended it, its commit tells. */
export function isToEnd(tx: PgTransaction): boolean {
  const { state } = tx
  return state === 'open' || state === 'failed' || (tx instanceof Transaction && tx.lapsed)
}
