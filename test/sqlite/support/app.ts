/** An app with a database, gone with the test. */
import type { TestContext } from 'node:test'
import BetterSqlite3 from 'better-sqlite3'
import { createApp, type App } from 'unwind'
import { sqliteResources, type SqliteOptions, type SqliteResources } from 'unwind/better-sqlite3'
import { committedIn, temporaryPath } from './database.ts'

export interface Setting {
  readonly app: App
  readonly path: string
  readonly resources: SqliteResources
  readonly committed: () => string[]
}

/** A file with the table `item (name text)`, which nobody has opened yet. */
export function setUp(t: TestContext, options?: SqliteOptions): Setting {
  const path = temporaryPath(t)
  const raw = new BetterSqlite3(path)
  raw.exec('create table item (name text)')
  raw.close()
  const app = createApp({ name: 'shop' })
  t.after(() => app.close())
  const resources = sqliteResources(path, options)
  return { app, path, resources, committed: () => committedIn(path) }
}
