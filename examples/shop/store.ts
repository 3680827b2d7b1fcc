/**
 * The two databases behind one small interface. The shop's SQL is written once, in what both understand, with `$1` for
 * its parameters.
 */
import { Pool } from 'pg'
import { resource, type App, type Resource, type Scope } from 'unwind'
import { sqliteResources, type SqliteTransaction } from 'unwind/better-sqlite3'
import { pgResources, type PgTransaction } from 'unwind/pg'

import type { Database } from './arguments.ts'

export type Value = string | number

/** The transaction of a request: it commits when the request succeeds, and is rolled back otherwise. */
export interface Transaction {
  /** The rows that a query finds. */
  rows<Row>(sql: string, ...values: Value[]): Promise<Row[]>
  /** How many rows a statement changed. */
  run(sql: string, ...values: Value[]): Promise<number>
}

export interface Store {
  /** For people, and without a password. */
  readonly name: string
  readonly transaction: Resource<Transaction>
  /** Called once, in the scope that sets up the tables: keeps others from doing the same at the same time. */
  claim(scope: Scope): Promise<void>
  /** How many connections the driver itself says are taken. */
  taken(app: App): Promise<number>
}

export function openStore(database: Database): Store {
  return database.kind === 'sqlite' ? sqliteStore(database.path) : postgresStore(database.url)
}

function sqliteStore(path: string): Store {
  const { database, transaction } = sqliteResources(path)
  return {
    name: `SQLite, ${path}`,
    transaction: resource({
      name: 'books',
      acquire: async ({ get }) => overSqlite(await get(transaction)),
    }),
    // From its next write on, this process alone has the file: two shops in one file would fail each other's orders
    // with SQLITE_BUSY. The system lifts the lock when the process ends, however it ends.
    claim: async (scope) => (await scope.get(database)).exec('pragma locking_mode = exclusive'),
    taken: async (app) => {
      // A transaction of one tick: refused while anybody else has one.
      using _free = (await app.get(database)).begin()
      return 0
    },
  }
}

function overSqlite(transaction: SqliteTransaction): Transaction {
  return {
    rows: async <Row>(sql: string, ...values: Value[]) =>
      transaction.prepare<Row>(sql).all(named(values)),
    run: async (sql, ...values) => Number(transaction.prepare(sql).run(named(values)).changes),
  }
}

/** To SQLite, `$1` is a parameter with the name 1. */
function named(values: Value[]): Record<string, Value> {
  return Object.fromEntries(values.map((value, i) => [i + 1, value]))
}

function postgresStore(url: URL): Store {
  const connectionString = url.href
  const { pool, transaction } = pgResources(
    () => new Pool({ connectionString, max: 10, connectionTimeoutMillis: 5_000 }),
  )
  return {
    name: `PostgreSQL, ${url.host}${url.pathname}`,
    transaction: resource({
      name: 'books',
      acquire: async ({ get }) => overPostgres(await get(transaction)),
    }),
    // Until the end of this transaction: `create table if not exists` fails where two try it at the same time.
    claim: async (scope) => {
      const opening = await scope.get(transaction)
      await opening.query(`select pg_advisory_xact_lock(hashtext('unwind shop'))`)
    },
    taken: async (app) => (await app.get(pool)).stats().leased,
  }
}

function overPostgres(transaction: PgTransaction): Transaction {
  return {
    rows: async <Row>(sql: string, ...values: Value[]) =>
      (await transaction.query<Row>(sql, values)).rows,
    run: async (sql, ...values) => (await transaction.query(sql, values)).rowCount ?? 0,
  }
}
