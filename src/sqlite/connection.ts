/**
 * One connection: its statements, prepared once for each SQL text, and its open cursors, which are closed before
 * anything that they would block.
 */
import type { Cursor } from './cursor.ts'
import type { DriverDatabase, DriverStatement } from './driver.ts'
import { explained, misuse, quoted, stillReading } from './errors.ts'
import { checkText, controlsTransaction } from './script.ts'
import type { Session } from './statement.ts'
import type { Transaction } from './transaction.ts'

/** What a transaction is made of. */
export interface Control {
  readonly begin: DriverStatement
  readonly commit: DriverStatement
  readonly rollback: DriverStatement
  readonly savepoint: DriverStatement
  readonly release: DriverStatement
  readonly rollbackTo: DriverStatement
}

/** SQL texts that a connection remembers. A program that writes its parameters into the text would fill the memory. */
const remembered = 500

export class Connection {
  readonly driver: DriverDatabase
  /** What the file is called in messages. */
  readonly file: string
  /** Milliseconds that SQLite blocks while another connection is busy. */
  busyTimeout: number
  /** The one that is open on it, whichever database over it has begun it. */
  transaction: Transaction | undefined = undefined
  /** The same, where it could not be rolled back when its holder left it. It is, before anybody else has the connection. */
  left: Transaction | undefined = undefined
  readonly #statements = new Map<string, Prepared>()
  readonly #cursors = new Set<Cursor>()
  #control: Control | undefined = undefined

  constructor(driver: DriverDatabase, file: string, busyTimeout: number) {
    this.driver = driver
    this.file = file
    this.busyTimeout = busyTimeout
  }

  /** @throws `ERR_SQLITE_MISUSE` for BEGIN, COMMIT and the like */
  prepared(sql: string): Prepared {
    return this.#statements.get(sql) ?? this.#prepare(sql)
  }

  get control(): Control {
    return (this.#control ??= prepareControl(this.driver))
  }

  compile(sql: string): DriverStatement {
    try {
      return this.driver.prepare(sql)
    } catch (error) {
      throw this.explained(error)
    }
  }

  track(cursor: Cursor): void {
    this.#cursors.add(cursor)
  }

  untrack(cursor: Cursor): void {
    this.#cursors.delete(cursor)
  }

  /**
   * @param session whose cursors; default: everybody's
   * @throws `ERR_SQLITE_MISUSE` inside a user function, where the driver cannot close one
   */
  closeCursors(why: string, session?: Session): void {
    if (this.#cursors.size === 0) return
    for (const cursor of this.#cursors) {
      if (session === undefined || cursor.session === session) this.#closeCursor(cursor, why)
    }
  }

  /** Before it gives rows: what writes is stopped by a cursor that sees the file as it was before somebody else wrote. */
  makeWay(prepared: Prepared): void {
    if (this.#cursors.size > 0 && !prepared.readonly) this.closeCursors(byWrite)
  }

  /** Where `run`, which begins a transaction, finds the file busy, it throws at once, and not after `busyTimeout`. */
  withoutWaiting<R>(run: () => R): R {
    // An open one would block the setting, too.
    this.closeCursors(byBegin)
    // Not prepared once: this one does its work when it is compiled.
    this.driver.exec('PRAGMA busy_timeout = 0')
    try {
      return run()
    } finally {
      this.driver.exec(`PRAGMA busy_timeout = ${this.busyTimeout}`)
    }
  }

  /** A script, which no cursor may outlive. */
  exec(sql: string): void {
    this.closeCursors(byWrite)
    this.driver.exec(sql)
  }

  close(why: string): void {
    this.closeCursors(why)
    this.driver.close()
  }

  /** A transaction may be over by that, also where the statement was no part of it. */
  failed(error: unknown): unknown {
    return this.transaction === undefined ? this.explained(error) : this.transaction.failed(error)
  }

  explained(error: unknown): unknown {
    return explained(error, this.driver, this.file)
  }

  #closeCursor(cursor: Cursor, why: string): void {
    try {
      cursor.close(why)
    } catch (error) {
      throw stillReading(this.file, error)
    }
  }

  #prepare(sql: string): Prepared {
    checkText('prepare()', sql)
    if (controlsTransaction(sql)) throw controlRefused(sql)
    const prepared = new Prepared(this, sql, this.compile(sql))
    const [oldest] = this.#statements.size < remembered ? [] : this.#statements.keys()
    if (oldest !== undefined) this.#statements.delete(oldest)
    this.#statements.set(sql, prepared)
    return prepared
  }
}

export const byBegin = 'a transaction began on its connection'
export const byWrite = 'something was written on its connection'

const returns = /\breturning\b/i

/** One SQL text on one connection. A cursor takes the driver's statement away while it is open, and it is made anew. */
export class Prepared {
  readonly connection: Connection
  readonly sql: string
  #readonly: boolean | undefined = undefined
  #returning: boolean | undefined = undefined
  #statement: DriverStatement | undefined

  constructor(connection: Connection, sql: string, statement: DriverStatement) {
    this.connection = connection
    this.sql = sql
    this.#statement = statement
  }

  /** Whether it leaves the file as it is. */
  get readonly(): boolean {
    try {
      return (this.#readonly ??= this.statement.readonly)
    } catch (error) {
      throw this.connection.explained(error)
    }
  }

  /**
   * Whether it gives rows of what it writes. At its end, after the last row, all of that may still be undone, and the
   * drivers say nothing of an end to which they do not read.
   */
  get returning(): boolean {
    return (this.#returning ??= returns.test(this.sql) && !this.readonly)
  }

  get statement(): DriverStatement {
    return (this.#statement ??= this.connection.compile(this.sql))
  }

  take(): DriverStatement {
    const { statement } = this
    this.#statement = undefined
    return statement
  }

  giveBack(statement: DriverStatement): void {
    this.#statement ??= statement
  }
}

function prepareControl(driver: DriverDatabase): Control {
  return {
    begin: driver.prepare('BEGIN IMMEDIATE'),
    commit: driver.prepare('COMMIT'),
    rollback: driver.prepare('ROLLBACK'),
    savepoint: driver.prepare('SAVEPOINT unwind'),
    release: driver.prepare('RELEASE unwind'),
    rollbackTo: driver.prepare('ROLLBACK TO unwind'),
  }
}

export function controlRefused(sql: string): Error {
  return misuse(
    `${quoted(sql)} would begin or end a transaction behind the back of those who hold one. Use begin(), write() or transaction(), and commit(), rollback() or savepoint() of what they return.`,
  )
}
