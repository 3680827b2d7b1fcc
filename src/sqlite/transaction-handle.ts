/**
 * A transaction in the hands of its user. Owned: disposed by whoever began it. Lent by a scope: the type shows no
 * disposal, and the scope ends it.
 */
import { lentError } from '../core/lease.ts'
import { checkText } from './script.ts'
import type { Transaction } from './transaction.ts'
import type { SqliteStatement, SqliteTransaction } from './types.ts'

export class TransactionHandle implements SqliteTransaction, Disposable, AsyncDisposable {
  readonly #transaction: Transaction

  constructor(transaction: Transaction) {
    this.#transaction = transaction
  }

  /**
   * For the scope that lends it.
   * @param keep whether to commit, unless its holder has ended it
   */
  static end(lent: SqliteTransaction, keep: boolean): void {
    if (!(#transaction in lent)) return
    if (keep) lent.#transaction.complete()
    else lent.#transaction.dispose()
  }

  get state(): SqliteTransaction['state'] {
    return this.#transaction.state
  }

  prepare<Row>(sql: string): SqliteStatement<Row> {
    return this.#transaction.prepare(sql)
  }

  exec(sql: string): void {
    checkText('exec()', sql)
    this.#transaction.exec(sql)
  }

  commit(): void {
    this.#transaction.commit()
  }

  rollback(): void {
    this.#transaction.rollback()
  }

  savepoint(): TransactionHandle {
    return new TransactionHandle(this.#transaction.savepoint())
  }

  [Symbol.dispose](): void {
    const { lender } = this.#transaction
    if (lender !== undefined) throw lentError('The SQLite transaction', lender)
    this.#transaction.dispose()
  }

  [Symbol.asyncDispose](): Promise<void> {
    try {
      this[Symbol.dispose]()
      return ended
    } catch (error) {
      // Whatever was thrown is passed on.
      return Promise.reject(error)
    }
  }
}

/** One for all that end: nothing is left to wait for. */
const ended = Promise.resolve()
