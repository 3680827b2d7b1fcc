/**
 * The one writing connection of a file. Its gate is held exactly while a transaction is open, and what is written
 * outside that transaction is refused: nobody's statement becomes part of somebody else's transaction.
 */
import { ambient } from '../core/context.ts'
import { exactNow } from '../core/deadline.ts'
import { isError } from '../core/errors/format.ts'
import type { Scope } from '../core/types.ts'
import type { Connection, Prepared } from './connection.ts'
import {
  backupRuns,
  crossedAwait,
  endedByDispose,
  foreignTransaction,
  leftOpen,
  quoted,
  released,
  waitsForItself,
  writerBusy,
} from './errors.ts'
import type { Gate } from './gate.ts'
import type { Asking } from './line.ts'
import type { Origin } from './origin.ts'
import { Patience } from './patience.ts'
import { SlowWrite } from './slow-write.ts'
import { Statement, type Session } from './statement.ts'
import { beginTransaction, type Transaction, type TransactionOwner } from './transaction.ts'
import type { SqliteStatement } from './types.ts'

/** Who asks for a transaction. */
export interface Wish {
  readonly by: Asking
  /** The scope that will end it. */
  readonly lender: Scope | undefined
  /** Where it was asked for. */
  readonly origin: Origin | undefined
}

export class Writer implements Session, TransactionOwner {
  readonly file: string
  /** The app that lends the database. */
  lender: Scope | undefined = undefined
  readonly #gate: Gate
  readonly #slow: SlowWrite
  readonly #patience: Patience
  #connection: Connection | undefined
  #transaction: Transaction | undefined = undefined
  /** What the statements of the database run in. */
  #enclosing: Transaction | undefined = undefined
  /** One microtask at the end of a tick looks after all transactions of that tick. */
  #guarded = false
  readonly #guard = (): void => this.#endTick()

  /** @param slowWrite milliseconds after which a transaction that may await is reported */
  constructor(connection: Connection, gate: Gate, slowWrite: number) {
    this.file = connection.file
    this.#connection = connection
    this.#gate = gate
    this.#slow = new SlowWrite(connection.file, slowWrite, () => this.#transaction)
    this.#patience = new Patience(connection.busyTimeout)
  }

  /** @throws `ERR_DISPOSED` */
  get open(): Connection {
    if (this.#connection === undefined) throw this.released()
    return this.#connection
  }

  /**
   * For whoever uses it.
   * @throws `ERR_DISPOSED`, and `ERR_SQLITE_MISUSE` while a transaction that was left cannot be rolled back
   */
  get connection(): Connection {
    const { open } = this
    open.left?.dispose()
    return open
  }

  released(): Error {
    return released(`The database "${this.file}"`, this.lender)
  }

  prepare<Row>(sql: string): SqliteStatement<Row> {
    this.connection.prepared(sql)
    return new Statement<Row>(this, sql)
  }

  exec(sql: string): void {
    const { connection } = this
    if (this.#enclosing !== undefined) {
      this.#enclosing.exec(sql)
      return
    }
    if (this.#gate.held) throw this.#refused(quoted(sql))
    const { driver } = connection
    const foreign = driver.inTransaction
    try {
      connection.exec(sql)
    } catch (error) {
      if (!foreign && driver.inTransaction) connection.control.rollback.run()
      throw this.failed(error)
    }
    if (foreign || !driver.inTransaction) return
    connection.control.rollback.run()
    throw leftOpen(sql, this.file)
  }

  /**
   * A transaction that is rolled back where it outlives its tick.
   * @throws `ERR_SQLITE_BUSY` while a transaction is open
   */
  begin(): Transaction {
    const transaction = this.#enter('begin()')
    transaction.brief = true
    if (!this.#guarded) void now.then(this.#guard)
    this.#guarded = true
    return transaction
  }

  /**
   * A transaction for a synchronous `run`, which ends it. Nobody else can run meanwhile, so the statements of the
   * database run in it too.
   * @throws `ERR_SQLITE_BUSY` while a transaction is open
   */
  enclose<R>(run: (transaction: Transaction) => R): R {
    const transaction = this.#enter('transaction()')
    this.#enclosing = transaction
    try {
      return run(transaction)
    } finally {
      this.#enclosing = undefined
    }
  }

  /** A transaction that may await: at once where nobody has the writer, else in turn. */
  write(wish: Wish): Transaction | Promise<Transaction> {
    const { connection } = this
    if (connection.busyTimeout > 0 || !this.#gate.tryEnter()) return this.#writeInTurn(wish)
    return this.#begin(connection, wish)
  }

  admit(sql: string): Prepared {
    if (this.#enclosing !== undefined) return this.#enclosing.admit(sql)
    const prepared = this.connection.prepared(sql)
    if (this.#gate.held && !prepared.readonly) throw this.#refused(quoted(sql))
    return prepared
  }

  failed(error: unknown): unknown {
    return this.#connection === undefined ? error : this.#connection.failed(error)
  }

  ended(transaction: Transaction): void {
    const { open } = this
    open.transaction = undefined
    if (transaction === open.left) open.left = undefined
    else this.#leave()
  }

  left(transaction: Transaction): void {
    const { open } = this
    if (transaction === open.left) return
    open.left = transaction
    this.#leave()
  }

  /** Wait for a moment without transactions; it lasts until the result is called. */
  async pause(signal: AbortSignal | undefined): Promise<() => void> {
    if (!this.#gate.tryEnter()) await this.#waitForTurn(signal)
    this.#gate.paused = true
    return () => this.#gate.leave()
  }

  /**
   * End what is open. Does nothing the second time.
   * @param owned whether its connection is closed too
   */
  close(owned: boolean): void {
    const connection = this.#connection
    if (connection === undefined) return
    this.#gate.dismiss(this, this.released())
    this.#slow.close()
    connection.closeCursors(byDispose, owned ? undefined : this)
    const open = this.#transaction ?? connection.left
    open?.expire(endedByDispose(this.file), false)
    if (owned) connection.close(byDispose)
    this.#connection = undefined
    this.#patience.wake()
  }

  #enter(call: string): Transaction {
    const { connection } = this
    if (!this.#gate.tryEnter()) throw this.#refused(call)
    return this.#begin(connection)
  }

  #begin(connection: Connection, wish?: Wish): Transaction {
    try {
      return this.#open(connection, wish)
    } catch (error) {
      throw this.#notBegun(error)
    }
  }

  /** Whose it is must be known at once: the database may be disposed before the transaction is handed out. */
  #open(connection: Connection, wish: Wish | undefined): Transaction {
    const transaction = beginTransaction(connection, this)
    this.#transaction = transaction
    if (wish !== undefined) {
      transaction.lender = wish.lender
      transaction.origin = wish.origin
      transaction.since = exactNow()
      this.#gate.holder = wish.lender
      this.#slow.start()
    }
    return transaction
  }

  #leave(): void {
    this.#transaction = undefined
    this.#gate.leave()
  }

  #notBegun(error: unknown): unknown {
    this.#gate.leave()
    const connection = this.#connection
    if (connection === undefined || connection.left !== undefined) return error
    return connection.driver.inTransaction
      ? foreignTransaction(this.file, error)
      : connection.explained(error)
  }

  async #writeInTurn(wish: Wish): Promise<Transaction> {
    const { signal } = wish.by
    if (!this.#gate.tryEnter()) await this.#waitForTurn(signal, wish.lender)
    try {
      // Between the turn and this line, and between two attempts, it may be disposed.
      const { connection } = this
      this.#gate.holder = wish.lender
      if (connection.busyTimeout === 0) return this.#open(connection, wish)
      return await this.#patience.retry(
        () => this.connection.withoutWaiting(() => this.#open(connection, wish)),
        signal,
      )
    } catch (error) {
      throw this.#notBegun(error)
    }
  }

  async #waitForTurn(signal: AbortSignal | undefined, lender?: Scope): Promise<void> {
    const holder = this.#gate.holderAround(ambient()?.scope)
    if (holder !== undefined) throw waitsForItself(holder, this.file)
    await this.#gate.wait(this, signal, lender)
    // Between the turn and this line others ran.
    if (this.#connection !== undefined && signal?.aborted !== true) return
    this.#gate.leave()
    signal?.throwIfAborted()
    throw this.released()
  }

  #endTick(): void {
    this.#guarded = false
    if (this.#transaction?.brief !== true) return
    const failure = crossedAwait(this.file)
    try {
      this.#transaction.expire(failure, true)
      // Perhaps nobody touches the transaction again, and then this is all that is heard of it.
      warn(failure)
    } catch (error) {
      warn(error)
    }
  }

  #refused(what: string): Error {
    return this.#gate.paused ? backupRuns(what, this.file) : writerBusy(what, this.file)
  }
}

/** What its `then` is given runs as a microtask, for a fifth of what `queueMicrotask` costs. */
const now = Promise.resolve()

const byDispose = 'its database was disposed'

function warn(error: unknown): void {
  const message = isError(error) ? error.message : String(error)
  process.emitWarning(message, { type: 'UnwindWarning', code: 'UNWIND_BEGIN_ACROSS_AWAIT' })
}
