/**
 * A transaction in the hands of its user. Owned: disposed by whoever began it. Lent by a scope: the type shows no
 * disposal, and the scope ends it.
 */
import { lentError } from '../core/lease.ts'
import type { Scope } from '../core/types.ts'
import type { Transaction } from './transaction.ts'
import type { SqliteStatement, SqliteTransaction } from './types.ts'

export class TransactionHandle implements SqliteTransaction, Disposable, AsyncDisposable {
  readonly #transaction: Transaction
  readonly #lender: Scope | undefined

  /** @param lender the scope that ends it, where it is lent */
  constructor(transaction: Transaction, lender?: Scope) {
    this.#transaction = transaction
    this.#lender = lender
  }

  get state(): SqliteTransaction['state'] {
    return this.#transaction.state
  }

  prepare<Row>(sql: string): SqliteStatement<Row> {
    return this.#transaction.prepare(sql)
  }

  exec(sql: string): void {
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
    if (this.#lender !== undefined) throw lentError('The SQLite transaction', this.#lender)
    this.#transaction.dispose()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this[Symbol.dispose]()
  }
}
