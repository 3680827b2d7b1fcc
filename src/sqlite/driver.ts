/**
 * The port: what a driver is to everything else in this folder. better-sqlite3 has these shapes itself; another driver
 * brings an adapter of the same shapes.
 */
import type { SqliteChanges } from './types.ts'

export interface DriverStatement {
  /** Whether it leaves the file as it is. May cost as much as preparing it. */
  readonly readonly: boolean
  get(...parameters: unknown[]): unknown
  all(...parameters: unknown[]): unknown[]
  run(...parameters: unknown[]): SqliteChanges
  iterate(...parameters: unknown[]): DriverIterator
}

/** `return` ends it, and is harmless after its end. */
export interface DriverIterator {
  next(): IteratorResult<unknown, unknown>
  return(): unknown
}

/** One connection. */
export interface DriverDatabase {
  /** What the file is called in messages. */
  readonly name: string
  readonly memory: boolean
  readonly open: boolean
  readonly inTransaction: boolean
  prepare(sql: string): DriverStatement
  exec(sql: string): unknown
  /** Does nothing the second time. What is being copied from it ends. */
  close(): unknown
  /** `progress` is called between steps with what is left; where it throws, the copying ends and a new file is removed. */
  backup(
    path: string,
    options: { progress: (done: DriverProgress) => undefined },
  ): Promise<DriverProgress>
}

/** What a PRAGMA of one column answers. */
export function pragmaOf(database: DriverDatabase, name: string): unknown {
  const row = database.prepare(`PRAGMA ${name}`).get()
  return typeof row === 'object' && row !== null ? Object.values(row)[0] : undefined
}

export interface DriverProgress {
  readonly totalPages: number
  readonly remainingPages: number
}

export interface Driver {
  /** What its connections are called in a message. */
  readonly databaseClass: string
  /** A connection that the caller owns, always in the same shape; `undefined` for anything else. */
  adopt(given: object): DriverDatabase | undefined
  /**
   * @param options.timeout milliseconds to block while another connection is busy
   * @param options.bigints whether integers are read as such
   * @param beside a connection to the same file, whose locks it must not drop
   */
  open(path: string, options: OpenOptions, beside?: DriverDatabase): DriverDatabase
}

export interface OpenOptions {
  readonly readonly: boolean
  readonly timeout: number
  readonly bigints: boolean
}
