/** docs/guide/query-builders.md: kysely and drizzle in the request's transaction of SQLite. */
// #region kysely
import Database from 'better-sqlite3'
import { Kysely, SqliteDialect, type SqliteStatement } from 'kysely'
import { createApp, inject, resource } from 'unwind'
import { sqliteResources } from 'unwind/better-sqlite3'

interface Tables {
  orders: { item: string }
}
const raw = new Database(':memory:')
raw.exec('create table orders (item text)')
const db = sqliteResources(raw) // whoever made it closes it
const app = createApp()
const kysely = resource({
  name: 'kysely',
  async acquire({ get }) {
    const tx = await get(db.transaction)
    const prepare = (sql: string): SqliteStatement => {
      const statement = tx.prepare(sql) // dead with the request
      return {
        reader: raw.prepare(sql).reader,
        all: (values) => statement.all(...values),
        run: (values) => statement.run(...values),
        iterate: (values) => statement.iterate(...values),
      }
    }
    return new Kysely<Tables>({ dialect: new SqliteDialect({ database: { prepare, close() {} } }) })
  },
  release: () => {}, // the transaction ends what there is to end
})
async function order(item: string): Promise<void> {
  const k = await inject(kysely)
  await k.insertInto('orders').values({ item }).execute()
  if (item === 'unicorn') throw new Error('No unicorns.')
}
// #endregion
await app.run(() => order('lamp'))
await app.run(() => order('unicorn')).catch((error: unknown) => console.log(String(error)))
// #region drizzle
import { drizzle } from 'drizzle-orm/better-sqlite3'
import { sqliteTable, text } from 'drizzle-orm/sqlite-core'

const orders = sqliteTable('orders', { item: text() })
const orm = resource({
  name: 'drizzle',
  async acquire({ get }) {
    await get(db.transaction) // until the request ends, nobody else writes
    return drizzle(raw)
  },
})
async function reorder(item: string): Promise<void> {
  const drizzled = await inject(orm)
  drizzled.transaction((part) => part.insert(orders).values({ item }).run()) // a savepoint
  console.log(drizzled.select().from(orders).all())
}
// #endregion
await app.run(() => reorder('chair'))
await app.close()
raw.close()
