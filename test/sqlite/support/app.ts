/** An app with a database, gone with the test. */
import type { TestContext } from 'node:test'
import { createApp, type App } from 'unwind'
import type { SqliteOptions, SqliteResources } from 'unwind/better-sqlite3'
import { committedIn, resourcesOf, temporaryPath } from './database.ts'
import { driverOf } from './drivers.ts'

export interface Setting {
  readonly app: App
  readonly path: string
  readonly resources: SqliteResources
  readonly committed: () => string[]
}

/** A file with the table `item (name text)`, which nobody has opened yet. */
export function setUp(t: TestContext, options?: SqliteOptions): Setting {
  const path = temporaryPath(t)
  const raw = driverOf(t).openRaw(path)
  raw.exec('create table item (name text)')
  raw.close()
  const app = createApp({ name: 'shop' })
  t.after(() => app.close())
  const resources = resourcesOf(t, path, options)
  return { app, path, resources, committed: () => committedIn(t, path) }
}
