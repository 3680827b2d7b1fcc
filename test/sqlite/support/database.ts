/** A folder, a database and a second pair of eyes for each test, gone with it. */
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import type { TestContext } from 'node:test'
import BetterSqlite3 from 'better-sqlite3'
import { sqlite, type SqliteDatabase, type SqliteOptions } from 'unwind/better-sqlite3'

export type Owned = SqliteDatabase & Disposable & AsyncDisposable

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
  const db = sqlite(path, options)
  t.after(() => db[Symbol.asyncDispose]())
  db.exec('create table item (name text)')
  return { db, path, committed: () => committedIn(path) }
}

/** The same in memory, on a connection of the test's own. */
export function openMemory(
  t: TestContext,
  options?: SqliteOptions,
): { db: Owned; raw: BetterSqlite3.Database } {
  const raw = new BetterSqlite3(':memory:')
  t.after(() => raw.close())
  raw.exec('create table item (name text)')
  const db = sqlite(raw, options)
  t.after(() => db[Symbol.asyncDispose]())
  return { db, raw }
}

export function committedIn(path: string): string[] {
  const other = new BetterSqlite3(path, { readonly: true, timeout: 0 })
  try {
    return other.prepare('select name from item order by rowid').pluck().all() as string[]
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
