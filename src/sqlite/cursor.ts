/**
 * An open iterator. While it is open, better-sqlite3 refuses every write on its connection, for ever if it was
 * abandoned: so each is tracked, and closed by its owner or by the next write. It never ends early without an error.
 */
import type { Prepared } from './connection.ts'
import type { DriverIterator, DriverStatement } from './driver.ts'
import { iteratorClosed } from './errors.ts'
import type { Session } from './statement.ts'

/** @throws what the driver says about the parameters */
export function openCursor(session: Session, prepared: Prepared, parameters: unknown[]): Cursor {
  const { returning } = prepared
  const statement = prepared.take()
  try {
    const rows = returning ? listed(statement, parameters) : statement.iterate(...parameters)
    const cursor = new Cursor(session, prepared, statement, rows)
    prepared.connection.track(cursor)
    return cursor
  } catch (error) {
    prepared.giveBack(statement)
    throw session.failed(error)
  }
}

/** SQLite, too, has written everything before it gives the first row. */
function listed(statement: DriverStatement, parameters: unknown[]): DriverIterator {
  const rows = statement.all(...parameters).values()
  return { next: () => rows.next(), return: () => {} }
}

interface Open {
  readonly prepared: Prepared
  readonly statement: DriverStatement
  readonly rows: DriverIterator
}

export class Cursor {
  readonly session: Session
  readonly #sql: string
  readonly #file: string
  #open: Open | undefined
  /** Who closed it before its end, if it was not its reader. */
  #why: string | undefined = undefined

  constructor(
    session: Session,
    prepared: Prepared,
    statement: DriverStatement,
    rows: DriverIterator,
  ) {
    this.session = session
    this.#sql = prepared.sql
    this.#file = prepared.connection.file
    this.#open = { prepared, statement, rows }
  }

  next(): IteratorResult<unknown, undefined> {
    if (this.#open === undefined) return this.#afterEnd()
    const step = this.#step(this.#open.rows)
    if (step.done !== true) return step
    this.#forget(this.#open)
    return ended
  }

  /**
   * Its reader needs no more, or has to stop.
   * @param why what the reader is told, where somebody else ends it
   */
  close(why?: string): void {
    if (this.#open === undefined) return
    this.#open.rows.return()
    this.#why = why
    this.#forget(this.#open)
  }

  #step(rows: DriverIterator): IteratorResult<unknown, unknown> {
    try {
      return rows.next()
    } catch (error) {
      this.#closeQuietly()
      throw this.session.failed(error)
    }
  }

  /** Inside a user function the driver refuses even this: the cursor stays open then, and known. */
  #closeQuietly(): void {
    try {
      this.close()
    } catch {}
  }

  #forget({ prepared, statement }: Open): void {
    this.#open = undefined
    prepared.giveBack(statement)
    prepared.connection.untrack(this)
  }

  #afterEnd(): IteratorReturnResult<undefined> {
    if (this.#why === undefined) return ended
    throw iteratorClosed(this.#sql, this.#file, this.#why)
  }
}

const ended: IteratorReturnResult<undefined> = Object.freeze({ done: true, value: undefined })

/** What the reader holds. */
export class Rows<Row> implements IterableIterator<Row, undefined>, Disposable {
  readonly #cursor: Cursor

  constructor(cursor: Cursor) {
    this.#cursor = cursor
  }

  next(): IteratorResult<Row, undefined> {
    // The row type is what the caller of prepare() said it is.
    return this.#cursor.next() as IteratorResult<Row, undefined>
  }

  return(): IteratorReturnResult<undefined> {
    this.#cursor.close()
    return ended
  }

  [Symbol.iterator](): this {
    return this
  }

  [Symbol.dispose](): void {
    this.#cursor.close()
  }
}
