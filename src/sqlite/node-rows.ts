/**
 * Rows of node:sqlite as the plain objects that better-sqlite3 gives. The driver's own have no prototype and are slow to
 * make and to read; made here, from the values alone and names that are read once, they cost less than the driver's.
 */
import type { RawStatement } from './node-statement.ts'

/** How what the driver returns becomes rows. */
export interface Shape {
  row(given: unknown): unknown
  rows(given: unknown[]): unknown[]
}

/** Whatever the owner of the connection chose: rows are objects here. */
export function shapeOf(statement: RawStatement, sql: string): Shape {
  const named = NamedRows.of(statement, sql)
  if (named === undefined) statement.setReturnArrays?.(false)
  return named ?? plain
}

/** Objects of the driver, given the usual prototype. */
const plain: Shape = {
  row: (given) => {
    if (given !== undefined) Object.setPrototypeOf(given, Object.prototype)
    return given
  },
  rows: (given) => {
    for (const row of given) Object.setPrototypeOf(row, Object.prototype)
    return given
  },
}

class NamedRows implements Shape {
  readonly #names: readonly string[]

  private constructor(names: readonly string[]) {
    this.#names = names
  }

  /**
   * Only where the names cannot change. SQLite compiles a statement again when somebody else alters a table, and what
   * a `*` stands for is then another list; a property called `__proto__` cannot be assigned.
   */
  static of(statement: RawStatement, sql: string): NamedRows | undefined {
    if (statement.columns === undefined || statement.setReturnArrays === undefined) return undefined
    if (sql.replaceAll(/\bcount\(\s*\*\s*\)/gi, '').includes('*')) return undefined
    const names = statement.columns().map(({ name }) => name)
    if (names.length === 0 || names.includes('__proto__')) return undefined
    statement.setReturnArrays(true)
    return new NamedRows(names)
  }

  row(given: unknown): unknown {
    // `setReturnArrays` asked for them.
    return given === undefined ? undefined : this.#named(given as readonly unknown[])
  }

  rows(given: unknown[]): unknown[] {
    // As in `row`.
    for (let at = 0; at < given.length; at += 1) given[at] = this.#named(given[at] as unknown[])
    return given
  }

  #named(values: readonly unknown[]): Record<string, unknown> {
    const names = this.#names
    const row: Record<string, unknown> = {}
    for (let at = 0; at < names.length; at += 1) row[names[at] as string] = values[at] // one for each
    return row
  }
}
