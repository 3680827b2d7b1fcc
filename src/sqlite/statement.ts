/**
 * A statement in the hands of its user: an SQL text and the session it runs in. It keeps nothing of the driver, so it
 * is dead with its session.
 */
import { byWrite, type Prepared } from './connection.ts'
import { openCursor, Rows } from './cursor.ts'
import type { SqliteChanges, SqliteStatement } from './types.ts'

/** Whoever lets statements run: a database, a transaction or a reader. */
export interface Session {
  /** The statement, if it may run now. Throws `ERR_DISPOSED` after the session's end. */
  admit(sql: string): Prepared
  /** What to throw for an error of the driver. */
  failed(error: unknown): unknown
}

export class Statement<Row> implements SqliteStatement<Row> {
  readonly #session: Session
  readonly #sql: string

  constructor(session: Session, sql: string) {
    this.#session = session
    this.#sql = sql
  }

  get(...parameters: unknown[]): Row | undefined {
    const { statement, returning } = this.#admit()
    try {
      const row = returning ? statement.all(...parameters)[0] : statement.get(...parameters)
      // The row type is what the caller of prepare() said it is.
      return row as Row | undefined
    } catch (error) {
      throw this.#session.failed(error)
    }
  }

  all(...parameters: unknown[]): Row[] {
    const { statement } = this.#admit()
    try {
      // As in `get`.
      return statement.all(...parameters) as Row[]
    } catch (error) {
      throw this.#session.failed(error)
    }
  }

  run(...parameters: unknown[]): SqliteChanges {
    const { connection, statement } = this.#session.admit(this.#sql)
    connection.closeCursors(byWrite)
    try {
      return statement.run(...parameters)
    } catch (error) {
      throw this.#session.failed(error)
    }
  }

  iterate(...parameters: unknown[]): IterableIterator<Row> & Disposable {
    return new Rows<Row>(openCursor(this.#session, this.#admit(), parameters))
  }

  #admit(): Prepared {
    const prepared = this.#session.admit(this.#sql)
    prepared.connection.makeWay(prepared)
    return prepared
  }
}
