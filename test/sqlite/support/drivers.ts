/**
 * One suite for both drivers: `test` registers each test once for every driver of this Node.js, and whoever has its
 * context asks `driverOf` for what to open. `Raw` is what the tests need of a connection without unwind.
 */
import type * as NodeSqlite from 'node:sqlite'
import * as runner from 'node:test'
import type { TestContext } from 'node:test'
import BetterSqlite3 from 'better-sqlite3'
import * as better from 'unwind/better-sqlite3'
import * as node from 'unwind/node-sqlite'
import type { SqliteDatabase, SqliteOptions, SqliteResources } from 'unwind/better-sqlite3'

export type Owned = SqliteDatabase & Disposable & AsyncDisposable

export interface Driver {
  /** The entry point, after `unwind/`. */
  readonly name: 'better-sqlite3' | 'node-sqlite'
  sqlite(database: string | object, options?: SqliteOptions): Owned
  sqliteResources(
    database: string | object | (() => string | object),
    options?: SqliteOptions,
  ): SqliteResources
  openRaw(path: string, options?: RawOptions): Raw
}

export interface RawOptions {
  readonly?: boolean
  /** Milliseconds to block; default 0. */
  timeout?: number
  /** Whether it gives integers as such. */
  bigints?: boolean
}

export interface Raw {
  /** What a caller would give to `sqlite()`. */
  readonly database: { prepare(sql: string): unknown }
  readonly open: boolean
  readonly inTransaction: boolean
  exec(sql: string): void
  /** The first column of every row. */
  column(sql: string): unknown[]
  function(name: string, body: () => unknown): void
  close(): void
}

const betterSqlite3: Driver = {
  ...better,
  name: 'better-sqlite3',
  openRaw(path, { readonly = false, timeout = 0, bigints = false } = {}) {
    const database = new BetterSqlite3(path, { readonly, timeout }).defaultSafeIntegers(bigints)
    return {
      database,
      get open() {
        return database.open
      },
      get inTransaction() {
        return database.inTransaction
      },
      exec: (sql) => void database.exec(sql),
      column: (sql) => database.prepare(sql).pluck().all(),
      function: (name, body) => void database.function(name, body),
      close: () => void database.close(),
    }
  },
}

function nodeSqlite({ DatabaseSync }: typeof NodeSqlite): Driver {
  return {
    ...node,
    name: 'node-sqlite',
    openRaw(path, { readonly = false, timeout = 0, bigints = false } = {}) {
      const database = new DatabaseSync(path, {
        readOnly: readonly,
        timeout,
        readBigInts: bigints,
      })
      return {
        database,
        get open() {
          return database.isOpen
        },
        get inTransaction() {
          return database.isTransaction
        },
        exec: (sql) => database.exec(sql),
        column: (sql) =>
          database
            .prepare(sql)
            .all()
            .map((row) => Object.values(row)[0]),
        function: (name, body) => database.function(name, body as () => null),
        close: () => {
          if (database.isOpen) database.close()
        },
      }
    },
  }
}

/** Node.js 22.12 has none. */
const builtin = process.getBuiltinModule('node:sqlite') as typeof NodeSqlite | undefined

export const drivers: readonly Driver[] =
  builtin === undefined ? [betterSqlite3] : [betterSqlite3, nodeSqlite(builtin)]

const chosen = new WeakMap<object, Driver>()

export function driverOf(t: TestContext): Driver {
  const driver = chosen.get(t)
  if (driver === undefined)
    throw new Error('This test was not registered with test() of drivers.ts.')
  return driver
}

type Body = (t: TestContext) => void | Promise<void>

export function test(title: string, body: Body): void
export function test(title: string, options: { skip: boolean }, body: Body): void
export function test(title: string, ...rest: [Body] | [{ skip: boolean }, Body]): void {
  const [options, body] = rest.length === 1 ? [{}, rest[0]] : rest
  for (const driver of drivers) {
    void runner.test(`${title} (${driver.name})`, options, (t) => {
      chosen.set(t, driver)
      return body(t)
    })
  }
}
