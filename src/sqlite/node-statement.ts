/**
 * A statement of node:sqlite. What is read from its SQL is what the driver does not tell: whether it writes, whether
 * it changes rows, and whether another statement follows that the driver would leave out.
 */
import type { DriverIterator, DriverStatement } from './driver.ts'
import { busyInFunction, isResult, quoted } from './errors.ts'
import type { NodeDatabase, RawDatabase } from './node-database.ts'
import { shapeOf, type Shape } from './node-rows.ts'
import { countsRows } from './script.ts'
import type { SqliteChanges } from './types.ts'

/** What is used of a `StatementSync`. Node.js 22.13 to 22.15 lack two of them. */
export interface RawStatement {
  readonly sourceSQL: string
  get(...parameters: unknown[]): unknown
  all(...parameters: unknown[]): unknown[]
  run(...parameters: unknown[]): SqliteChanges
  iterate(...parameters: unknown[]): DriverIterator
  columns?(): { readonly name: string }[]
  setReturnArrays?(enabled: boolean): void
}

export class NodeStatement implements DriverStatement {
  readonly #database: NodeDatabase
  readonly #connection: RawDatabase
  readonly #raw: RawStatement
  readonly #sql: string
  readonly #shape: Shape
  #readonly: boolean | undefined = undefined
  #counts: boolean | undefined = undefined
  /** A user function that it calls must not use it: the driver would start it again, or crash. */
  #running = false

  constructor(database: NodeDatabase, connection: RawDatabase, sql: string) {
    if (nothing.test(sql)) throw noStatement(sql)
    this.#database = database
    this.#connection = connection
    this.#raw = connection.prepare(sql)
    this.#sql = sql
    if (!nothing.test(sql.slice(this.#raw.sourceSQL.length))) throw severalStatements(sql)
    this.#shape = shapeOf(this.#raw, sql)
  }

  get readonly(): boolean {
    return (this.#readonly ??= leavesFileAlone(this.#connection, this.#sql))
  }

  get(...parameters: unknown[]): unknown {
    this.#enter()
    try {
      return this.#shape.row(this.#raw.get(...parameters))
    } finally {
      this.#leave()
    }
  }

  all(...parameters: unknown[]): unknown[] {
    this.#enter()
    try {
      return this.#shape.rows(this.#raw.all(...parameters))
    } finally {
      this.#leave()
    }
  }

  /** The driver tells the count of the statement before where SQLite counts nothing. */
  run(...parameters: unknown[]): SqliteChanges {
    this.#database.requireIdle()
    this.#counts ??= countsRows(this.#sql) ?? !this.readonly
    this.#enter()
    try {
      const done = this.#raw.run(...parameters)
      return this.#counts ? done : { ...done, changes: 0 }
    } finally {
      this.#leave()
    }
  }

  /** The driver starts an iterator again that is read beyond its end, or whose statement is used; a cursor does neither. */
  iterate(...parameters: unknown[]): DriverIterator {
    this.#requireIdle()
    const rows = this.#raw.iterate(...parameters)
    return { next: () => this.#next(rows), return: () => this.#return(rows) }
  }

  #next(rows: DriverIterator): IteratorResult<unknown, unknown> {
    this.#enter()
    try {
      const step = rows.next()
      return step.done === true ? step : { done: false, value: this.#shape.row(step.value) }
    } finally {
      this.#leave()
    }
  }

  #return(rows: DriverIterator): unknown {
    this.#requireIdle()
    return this.#database.open ? rows.return() : undefined
  }

  #enter(): void {
    this.#requireIdle()
    if (this.#database.busy && !this.readonly) throw busyInFunction(this.#database.name)
    this.#running = true
    this.#database.enter()
  }

  #leave(): void {
    this.#running = false
    this.#database.leave()
  }

  #requireIdle(): void {
    if (this.#running) throw busyInFunction(this.#database.name)
  }
}

/** White space, comments and semicolons. */
const blank = /^(?:\s|;|--[^\n]*(?:\n|$)|\/\*(?:[^*]|\*(?!\/))*(?:\*\/|$))*/
const nothing = new RegExp(`${blank.source}$`)

/** What `sqlite3_stmt_readonly` looks at, in the same instructions: https://sqlite.org/c3ref/stmt_readonly.html */
function leavesFileAlone(connection: RawDatabase, sql: string): boolean {
  try {
    // A semicolon before it would be a statement of its own.
    const program = connection.prepare(`EXPLAIN ${sql.replace(blank, '')}`).all()
    return !program.some((instruction) => {
      // The columns of EXPLAIN: https://sqlite.org/opcode.html. What kind of rows and numbers it gives is its owner's choice.
      const [, opcode, , p2] = Object.values(instruction as object) as unknown[]
      return (opcode === 'Transaction' && Number(p2) !== 0) || changing.has(opcode)
    })
  } catch (error) {
    // The only statement that cannot be explained is an EXPLAIN.
    if (isResult(error, 'SQLITE_ERROR')) return true
    throw error
  }
}

const changing: ReadonlySet<unknown> = new Set(['Checkpoint', 'JournalMode', 'Vacuum'])

function noStatement(sql: string): RangeError {
  return new RangeError(`prepare(): ${quoted(sql)} contains no statement. Give it one.`)
}

function severalStatements(sql: string): RangeError {
  return new RangeError(
    `prepare(): ${quoted(sql)} contains more than one statement, and only the first would run. Prepare one at a time, or run them all with exec().`,
  )
}
