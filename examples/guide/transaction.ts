/** docs/guide.md: one transaction for each request. Wants a `DATABASE_URL`. */
// #region transaction
import { createServer } from 'node:http'
import { Pool } from 'pg'
import { createApp, inject } from 'unwind'
import { handle, listen } from 'unwind/http'
import { pgResources } from 'unwind/pg'

const connectionString = process.env['DATABASE_URL']
const db = pgResources(() => new Pool({ connectionString, max: 10 }))
const app = createApp({ name: 'orders', onError: (error) => console.log(String(error)) })

async function placeOrder(item: string): Promise<number> {
  const tx = await inject(db.transaction) // the first one begins it, all others join it
  const { rows } = await tx.query('insert into guide_orders (item) values ($1) returning id', [
    item,
  ])
  tx.afterCommit(() => console.log(`mail: ${item}`))
  if (item === 'unicorn') throw Object.assign(new Error('No unicorns.'), { statusCode: 404 })
  return rows[0].id
}

const server = createServer(
  handle(app, async (request) => {
    const { searchParams } = new URL(request.url ?? '/', 'http://localhost')
    return { id: await placeOrder(searchParams.get('item') ?? 'lamp') }
  }), // returned: COMMIT, then the answer; thrown: ROLLBACK, then the status
)
const { url } = await listen(app, server, { port: 0 }) // 0: any free one
// #endregion
await app.run(async () => {
  const tx = await inject(db.transaction)
  await tx.query('drop table if exists guide_orders')
  await tx.query('create table guide_orders (id serial, item text)')
})
for (const item of ['lamp', 'unicorn', 'chair']) {
  const answer = await fetch(`${url}/?item=${item}`, { method: 'POST' })
  await answer.text()
  console.log(item, answer.status)
}
await app.run(async () => {
  const tx = await inject(db.transaction)
  console.log((await tx.query('select item from guide_orders')).rows)
  await tx.query('drop table guide_orders')
})
await app.shutdown()
