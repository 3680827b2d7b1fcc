/** docs/guide/query-builders.md: knex on the request's transaction. Wants a `DATABASE_URL`. */
// #region knex
import knex from 'knex'
import { Pool, type PoolClient } from 'pg'
import { createApp, inject } from 'unwind'
import { pgResources } from 'unwind/pg'

const connectionString = process.env['DATABASE_URL']
const db = pgResources(() => new Pool({ connectionString, max: 4 }))
const app = createApp()
const pool = await app.get(db.pool)
const k = knex({ client: 'pg' }) // without a connection: it builds, and runs on what it is given

async function order(item: string): Promise<void> {
  const tx = await inject(db.transaction)
  const client = await tx.asPool<Pool>().connect()
  await k('guide_knex').insert({ item }).connection(client)
  if (item === 'unicorn') throw new Error('No unicorns.')
}
// #endregion
await pool.query('drop table if exists guide_knex; create table guide_knex (item text)')
await app.run(() => order('lamp'))
await app.run(() => order('unicorn')).catch((error: unknown) => console.log(String(error)))
// #region whole
k.client.acquireConnection = () => pool.driver.connect()
k.client.releaseConnection = async (client: PoolClient) => client.release()
console.log(await k('guide_knex').select('item'))
// #endregion
await pool.query('drop table guide_knex')
await app.close()
