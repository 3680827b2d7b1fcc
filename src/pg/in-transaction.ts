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
  // They run once the connection is back: they may ask the pool for one, and there may be no other.
  const later: Callback[] = []
  let result: R
  try {
    result = await inPart(await lease.begin(options), body, later)
  } finally {
    await lease[Symbol.asyncDispose]()
  }
  await callAll(later)
  return result
}

/**
 * In what was begun for `body`: committed where that succeeds, else rolled back.
 * @param later takes the callbacks that would run with the commit
 */
export async function inPart<R>(
  tx: PgTransaction & AsyncDisposable,
  body: Body<R>,
  later?: Callback[],
): Promise<R> {
  try {
    const result = await body(tx)
    if (isToCommit(tx)) {
      if (tx instanceof Transaction) later?.push(...tx.takeCallbacks())
      await tx.commit()
    }
    await tx[Symbol.asyncDispose]()
    return result
  } catch (error) {
    throw await afterDispose(tx, error)
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

/** The body may have ended it itself; where a statement did, its commit tells. */
function isToCommit(tx: PgTransaction): boolean {
  const { state } = tx
  return state === 'open' || state === 'failed' || (tx instanceof Transaction && tx.lapsed)
}
