/** docs/from-fastapi.md: `@Transactional`. Wants a `DATABASE_URL`. */
// #region spring
import { Pool } from 'pg'
import { createApp } from 'unwind'
import { pgResources, transactional } from 'unwind/pg'

const connectionString = process.env['DATABASE_URL']
const db = pgResources(() => new Pool({ connectionString, max: 4 }))
const app = createApp()
const pool = await app.get(db.pool)
await pool.query('drop table if exists guide_spring; create table guide_spring (line text)')

const insert = 'insert into guide_spring (line) values ($1)'

const audit = (line: string) =>
  transactional(db, { propagation: 'requiresNew' }, (tx) => tx.query(insert, [line]))

const place = (item: string) =>
  transactional(db, { isolation: 'serializable' }, async (tx) => {
    await audit(`${item} wanted`) // committed, whatever becomes of the order
    await tx.query(insert, [item])
    if (item === 'unicorn') throw new Error('No unicorns.') // any error rolls back
  })

await app.run(() => place('lamp'))
await app.run(() => place('unicorn')).catch((error: unknown) => console.log(String(error)))
// #endregion
console.log((await pool.query('select line from guide_spring order by 1')).rows)
await pool.query('drop table guide_spring')
await app.close()
