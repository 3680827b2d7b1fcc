/** A folder, a database and a second pair of eyes for each test, gone with it. */
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import type { TestContext } from 'node:test'
import type { SqliteDatabase, SqliteOptions, SqliteResources } from 'unwind/better-sqlite3'
import { driverOf, type Owned, type Raw, type RawOptions } from './drivers.ts'

/** A path in a folder of this test's own. */
export function temporaryPath(t: TestContext, name = 'test.db'): string {
  const folder = mkdtempSync(join(tmpdir(), 'unwind-sqlite-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, name)
}

export interface Opened {
  readonly db: Owned
  readonly path: string
  /** What another connection sees: committed values, in order. */
  readonly committed: () => string[]
}

/** A database on a file with the table `item (name text)`. */
export function openFile(t: TestContext, options?: SqliteOptions): Opened {
  const path = temporaryPath(t)
  const db = openAt(t, path, options)
  t.after(() => db[Symbol.asyncDispose]())
  db.exec('create table item (name text)')
  return { db, path, committed: () => committedIn(t, path) }
}

/** The same in memory, on a connection of the test's own. */
export function openMemory(t: TestContext, options?: SqliteOptions): { db: Owned; raw: Raw } {
  const raw = openRaw(t, ':memory:')
  raw.exec('create table item (name text)')
  const db = openAt(t, raw.database, options)
  t.after(() => db[Symbol.asyncDispose]())
  return { db, raw }
}

/** `sqlite()` of this test's driver. */
export function openAt(t: TestContext, database: string | object, options?: SqliteOptions): Owned {
  return driverOf(t).sqlite(database, options)
}

/** `sqliteResources()` of this test's driver. */
export function resourcesOf(
  t: TestContext,
  database: string | object | (() => string | object),
  options?: SqliteOptions,
): SqliteResources {
  return driverOf(t).sqliteResources(database, options)
}

/** A connection without unwind, closed after the test. */
export function openRaw(t: TestContext, path: string, options?: RawOptions): Raw {
  const raw = driverOf(t).openRaw(path, options)
  t.after(() => raw.close())
  return raw
}

export function committedIn(t: TestContext, path: string): string[] {
  const other = driverOf(t).openRaw(path, { readonly: true })
  try {
    return other.column('select name from item order by rowid') as string[]
  } finally {
    other.close()
  }
}

export function insert(into: Pick<SqliteDatabase, 'prepare'>, ...items: readonly string[]): void {
  for (const name of items) into.prepare('insert into item values (?)').run(name)
}

export function names(of: Pick<SqliteDatabase, 'prepare'>): string[] {
  const rows = of.prepare<{ name: string }>('select name from item order by rowid').all()
  return rows.map(({ name }) => name)
}

/** The file and what SQLite keeps beside it. */
export function filesOf(path: string): string[] {
  if (!existsSync(dirname(path))) return []
  return readdirSync(dirname(path)).filter((name) => name.startsWith(basename(path)))
}

/** `insert into child values (7)` is then refused at the commit, unless the parent comes before it. */
export function deferredForeignKey(db: { exec(sql: string): void }): void {
  db.exec(`
    create table parent (id integer primary key);
    create table child (parent integer references parent deferrable initially deferred);
  `)
}
