/**
 * The port: what a driver is to everything else in this folder. better-sqlite3 has these shapes itself; another driver
 * brings an adapter of the same shapes.
 */
import type { SqliteChanges } from './types.ts'

export interface DriverStatement {
  /** Whether it leaves the file as it is. */
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
  /** The path that it was opened with. */
  readonly name: string
  readonly memory: boolean
  readonly open: boolean
  readonly inTransaction: boolean
  prepare(sql: string): DriverStatement
  exec(sql: string): unknown
  close(): unknown
  /** `progress` is called between steps with what is left; where it throws, the copying ends and a new file is removed. */
  backup(
    path: string,
    options: { progress(done: { totalPages: number; remainingPages: number }): undefined },
  ): Promise<{ totalPages: number; remainingPages: number }>
}

export interface Driver {
  /** What its connections are called in a message. */
  readonly databaseClass: string
  /** Whether this is a connection of this driver. */
  accepts(database: object): database is DriverDatabase
  /** @param options.timeout milliseconds to block while another connection is busy */
  open(
    path: string,
    options: { readonly readonly: boolean; readonly timeout: number },
  ): DriverDatabase
}
