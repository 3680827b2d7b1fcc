/**
 * A transaction in the hands of its user. Owned: disposed by whoever began it. Lent by a scope: the type shows no
 * disposal, and the scope ends it.
 */
import type { Transaction } from './transaction.ts'
import type { SqliteStatement, SqliteTransaction } from './types.ts'

export class TransactionHandle implements SqliteTransaction, Disposable, AsyncDisposable {
  readonly #transaction: Transaction

  constructor(transaction: Transaction) {
    this.#transaction = transaction
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
    this.#transaction.dispose()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#transaction.dispose()
  }
}
