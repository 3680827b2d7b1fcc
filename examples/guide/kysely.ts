/** docs/guide/query-builders.md: kysely in the request's transaction. Wants a `DATABASE_URL`. */
// #region kysely
import { Kysely, PostgresDialect } from 'kysely'
import { Pool } from 'pg'
import Cursor from 'pg-cursor'
import { createApp, inject, resource } from 'unwind'
import { pgResources } from 'unwind/pg'

const connectionString = process.env['DATABASE_URL']
interface Tables {
  guide_kysely: { item: string }
}
const db = pgResources(() => new Pool({ connectionString, max: 4 }))
const app = createApp()
const pool = await app.get(db.pool)

const kysely = resource({
  name: 'kysely',
  async acquire({ get }) {
    const tx = await get(db.transaction)
    return new Kysely<Tables>({
      dialect: new PostgresDialect({ pool: tx.asPool(), cursor: Cursor }),
    })
  },
  release: () => {}, // the transaction ends what there is to end
})

async function order(item: string): Promise<void> {
  const k = await inject(kysely)
  await k.insertInto('guide_kysely').values({ item }).execute()
  // Inside the request's transaction this is a savepoint:
  await k.transaction().execute((part) => part.selectFrom('guide_kysely').selectAll().execute())
  if (item === 'unicorn') throw new Error('No unicorns.')
}
// #endregion
await pool.query('drop table if exists guide_kysely; create table guide_kysely (item text)')
await app.run(() => order('lamp'))
await app.run(() => order('unicorn')).catch((error: unknown) => console.log(String(error)))
// #region whole
const alone = new Kysely<Tables>({ dialect: new PostgresDialect({ pool: pool.driver }) })
console.log(await alone.selectFrom('guide_kysely').selectAll().execute())
// #endregion
await pool.query('drop table guide_kysely')
await app.close()
