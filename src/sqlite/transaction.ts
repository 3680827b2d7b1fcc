/**
 * A transaction, or a savepoint in one: open → committed | rolled back. Its end cuts it off from the connection, closes
 * the iterators and tells its owner, whoever ended it: its holder, SQLite after a failed statement, or its tick.
 */
import { suppress } from '../core/dispose.ts'
import type { Ticket } from '../core/watching/held.ts'
import type { Scope } from '../core/types.ts'
import { byBegin, controlRefused, type Connection, type Prepared } from './connection.ts'
import { endedBehind, lapsed, misuse, released, stillOpen } from './errors.ts'
import type { Origin } from './origin.ts'
import { controlsTransaction } from './script.ts'
import { Statement, type Session } from './statement.ts'
import type { SqliteStatement, SqliteTransaction } from './types.ts'

type Ended = Exclude<SqliteTransaction['state'], 'open'>

/** Who is told when the transaction has ended. */
export interface TransactionOwner {
  ended(transaction: Transaction): void
  /** Its holder has left it, and it could not be rolled back: somebody else's iterator keeps the connection busy. */
  left(transaction: Transaction): void
}

/** @throws what SQLite says, and then nothing is open */
export function beginTransaction(connection: Connection, owner: TransactionOwner): Transaction {
  connection.closeCursors(byBegin)
  connection.control.begin.run()
  const transaction = new Transaction(connection, owner, undefined)
  connection.transaction = transaction
  return transaction
}

export class Transaction implements Session, TransactionOwner {
  state: SqliteTransaction['state'] = 'open'
  /** Whether it has to end in the tick in which it began. */
  brief = false
  /** The scope that lent it. */
  lender: Scope | undefined = undefined
  /** Where it was asked for. */
  origin: Origin | undefined = undefined
  /** When it began, where it may await. */
  since: number | undefined = undefined
  /** Of whoever owns it. */
  ticket: Ticket | undefined = undefined
  readonly #file: string
  readonly #owner: TransactionOwner
  readonly #outer: Transaction | undefined
  #connection: Connection | undefined
  #savepoint: Transaction | undefined = undefined
  /** What every use throws, where it ended without its holder's doing. */
  #failure: Error | undefined = undefined
  /** Nobody has heard of it yet, and somebody has to. */
  #untold = false

  constructor(connection: Connection, owner: TransactionOwner, outer: Transaction | undefined) {
    this.#connection = connection
    this.#file = connection.file
    this.#owner = owner
    this.#outer = outer
  }

  get over(): boolean {
    return this.state !== 'open'
  }

  prepare<Row>(sql: string): SqliteStatement<Row> {
    this.admit(sql)
    return new Statement<Row>(this, sql)
  }

  exec(sql: string): void {
    const connection = this.#connected()
    if (controlsTransaction(sql)) throw controlRefused(sql)
    try {
      connection.exec(sql)
    } catch (error) {
      throw this.failed(error)
    }
    if (connection.driver.inTransaction) return
    connection.closeCursors(byEnd)
    // Where SQLite rolls back, it says so.
    const failure = endedBehind(this.#file)
    this.#root.#end('committed', failure)
    throw failure
  }

  commit(): void {
    const connection = this.#connected()
    this.#requireNoSavepoint('commit()')
    connection.closeCursors(byEnd)
    const { commit, release } = connection.control
    try {
      if (this.#outer === undefined) commit.run()
      else release.run()
    } catch (error) {
      throw this.failed(error)
    }
    this.#end('committed', undefined)
  }

  rollback(): void {
    if (this.state !== 'rolled back') this.#rollBack(undefined)
  }

  savepoint(): Transaction {
    const connection = this.#connected()
    this.#requireNoSavepoint('savepoint()')
    connection.closeCursors('a savepoint was opened on its connection')
    try {
      connection.control.savepoint.run()
    } catch (error) {
      throw this.failed(error)
    }
    this.#savepoint = new Transaction(connection, this, this)
    return this.#savepoint
  }

  /** Commit, unless its holder has ended it; roll back where that fails. */
  complete(): void {
    if (this.state !== 'open' && this.#failure === undefined) return
    try {
      this.commit()
    } catch (error) {
      throw this.afterRollback(error)
    }
  }

  /** What to throw for `error`, once it is rolled back. */
  afterRollback(error: unknown): unknown {
    try {
      this.dispose()
      return error
    } catch (failure) {
      return suppress(failure, error)
    }
  }

  /** Roll back, unless it has ended. */
  dispose(): void {
    if (this.state === 'open') this.#rollBackOrLeave(undefined)
    else if (this.#untold) throw this.#afterEnd()
  }

  /**
   * Roll back, and tell its holder why at the next use.
   * @param aloud also when it is disposed without one
   */
  expire(failure: Error, aloud: boolean): void {
    this.#rollBackOrLeave(failure)
    this.#untold = aloud
  }

  admit(sql: string): Prepared {
    return this.#connected().prepared(sql)
  }

  failed(error: unknown): unknown {
    const connection = this.#connection
    if (connection === undefined) return error
    const explained = connection.explained(error)
    if (!connection.driver.inTransaction) {
      connection.closeCursors(byEnd)
      this.#root.#end('rolled back', lapsed(this.#file, explained))
    }
    return explained
  }

  ended(): void {
    this.#savepoint = undefined
  }

  /** It ends with what is around it. */
  left(): void {}

  get #root(): Transaction {
    return this.#outer === undefined ? this : this.#outer.#root
  }

  #connected(): Connection {
    if (this.#connection === undefined) throw this.#afterEnd()
    return this.#connection
  }

  #afterEnd(): Error {
    this.#root.#untold = false
    if (this.#failure !== undefined) return this.#failure
    const what = this.#outer === undefined ? 'transaction' : 'savepoint'
    const isCommitted = this.state === 'committed'
    return released(`The ${what} on "${this.#file}"`, this.#root.lender, isCommitted)
  }

  #requireNoSavepoint(call: string): void {
    if (this.#savepoint === undefined) return
    throw misuse(
      `${call}: the transaction on "${this.#file}" has an open savepoint. Savepoints end in the order of their nesting: commit or roll back the inner one first, or open the next one from it.`,
    )
  }

  /** Nobody may come back for it, as after `using`. */
  #rollBackOrLeave(failure: Error | undefined): void {
    try {
      this.#rollBack(failure)
    } catch (error) {
      this.#owner.left(this)
      throw error
    }
  }

  #rollBack(failure: Error | undefined): void {
    const connection = this.#connected()
    // All savepoints have one name, which is that of the innermost.
    if (this.#outer !== undefined) this.#savepoint?.rollback()
    connection.closeCursors(byEnd)
    this.#undo(connection)
    this.#end('rolled back', failure)
  }

  #undo({ control, driver }: Connection): void {
    try {
      if (this.#outer === undefined) control.rollback.run()
      else {
        control.rollbackTo.run()
        control.release.run()
      }
    } catch (error) {
      if (driver.inTransaction) throw stillOpen(this.#file, error)
    }
  }

  /** And with it what is nested in it. */
  #end(state: Ended, failure: Error | undefined): void {
    if (this.#savepoint !== undefined) this.#savepoint.#end(state, failure)
    this.#failure = failure
    this.state = state
    this.#connection = undefined
    this.origin = undefined
    this.ticket?.released()
    this.#owner.ended(this)
  }
}

const byEnd = 'its transaction ended'
