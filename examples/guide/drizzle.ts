/** docs/guide/query-builders.md: drizzle in the request's transaction. Wants a `DATABASE_URL`. */
// #region drizzle
import { drizzle } from 'drizzle-orm/node-postgres'
import { pgTable, text } from 'drizzle-orm/pg-core'
import { Pool } from 'pg'
import { createApp, inject, resource } from 'unwind'
import { pgResources } from 'unwind/pg'

const connectionString = process.env['DATABASE_URL']
const orders = pgTable('guide_drizzle', { item: text() })
const db = pgResources(() => new Pool({ connectionString, max: 4 }))
const app = createApp()
const pool = await app.get(db.pool)

const orm = resource({
  name: 'drizzle',
  acquire: async ({ get }) => drizzle((await get(db.transaction)).asPool<Pool>()),
})

async function order(item: string): Promise<void> {
  const drizzled = await inject(orm)
  await drizzled.insert(orders).values({ item })
  if (item === 'unicorn') throw new Error('No unicorns.')
}
// #endregion
await pool.query('drop table if exists guide_drizzle; create table guide_drizzle (item text)')
await app.run(() => order('lamp'))
await app.run(() => order('unicorn')).catch((error: unknown) => console.log(String(error)))
// #region whole
console.log(await drizzle(pool.driver).select().from(orders))
// #endregion
await pool.query('drop table guide_drizzle')
await app.close()
