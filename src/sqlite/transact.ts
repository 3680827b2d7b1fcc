/**
 * `db.transaction(body)`: begin, call, commit; roll back where the body throws. The body cannot await: what follows an
 * await would run after the commit.
 */
import { types } from 'node:util'
import { isThenable } from '../core/dispose.ts'
import { checkFunction } from '../core/options.ts'
import { TransactionHandle } from './transaction-handle.ts'
import type { Transaction } from './transaction.ts'
import type { SqliteTransaction } from './types.ts'
import type { Writer } from './writer.ts'

export function transact<R>(writer: Writer, body: (tx: SqliteTransaction) => R): R {
  requireSync(body)
  return writer.enclose((transaction) => {
    const result = call(body, transaction)
    transaction.complete()
    return result
  })
}

function call<R>(body: (tx: SqliteTransaction) => R, transaction: Transaction): R {
  try {
    const result = body(new TransactionHandle(transaction))
    if (isThenable(result)) throw returnedPromise(result)
    return result
  } catch (error) {
    throw transaction.afterRollback(error)
  }
}

/** @throws {TypeError} for what is known to be asynchronous before it is called */
function requireSync(body: unknown): void {
  checkFunction('the body given to transaction()', body)
  if (!types.isAsyncFunction(body) && !types.isGeneratorFunction(body)) return
  const kind = types.isAsyncFunction(body) ? 'an async' : 'a generator'
  throw new TypeError(
    `The body of transaction() is ${kind} function, and was not called: what it does after its first pause would run after the commit. Use \`await using tx = await db.write()\`.`,
  )
}

/** Its later failure is no news: here is the reason. */
function returnedPromise(result: PromiseLike<unknown>): TypeError {
  if (types.isPromise(result)) result.catch(() => {})
  return new TypeError(
    'The body of transaction() returned a promise, and was rolled back: what it does after an await would run after the commit. Use `await using tx = await db.write()`.',
  )
}
