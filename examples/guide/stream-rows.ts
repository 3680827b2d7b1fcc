/** docs/guide.md: rows as a stream, on one connection and on none in particular. Wants a `DATABASE_URL`. */
// #region snapshot
import { createServer } from 'node:http'
import { Pool } from 'pg'
import { createApp, currentScope, inject } from 'unwind'
import { handle, listen } from 'unwind/http'
import { pgResources } from 'unwind/pg'

const connectionString = process.env['DATABASE_URL']
const db = pgResources(() => new Pool({ connectionString, max: 2 }))
const app = createApp()
const table = 'generate_series(1, 10000) as id'

/** One connection, one snapshot, bounded memory: for as long as the client reads. */
async function* snapshot(): AsyncGenerator<string> {
  const tx = await inject(db.transaction)
  const { signal } = currentScope() // ends a read that nobody waits for any more
  const query = `select id from ${table}`
  for await (const { id } of tx.cursor<{ id: number }>(query, [], { batch: 500, signal })) {
    yield `${id}\n`
  }
}
// #endregion

// #region pages
/** A connection for each page, held for milliseconds: a slow client waits alone. */
async function* pages(size = 500): AsyncGenerator<string> {
  const pool = await inject(db.pool)
  for (let last = 0; ;) {
    const { rows } = await pool.query<{ id: number }>(
      `select id from ${table} where id > $1 order by id limit $2`,
      [last, size],
    )
    for (const { id } of rows) yield `${id}\n`
    if (rows.length < size) return
    last = rows.at(-1)?.id ?? last
  }
}
// #endregion

// #region serve
const server = createServer(
  handle(app, (request) => (request.url === '/snapshot' ? snapshot() : pages()), {
    timeout: 30_000, // then the stream is cut, and the connection is back
  }),
)
const { url } = await listen(app, server, { port: 0 })
// #endregion

const pool = await app.get(db.pool)
for (const read of [snapshot, pages]) {
  const text = await (await fetch(`${url}/${read.name}`)).text()
  console.log(`/${read.name}:`, text.split('\n').length - 1, 'rows')
  await app.run(async () => {
    for await (const row of read())
      if (row === '5\n') console.log('connections held between two rows:', pool.stats().leased)
  })
}
await app.shutdown()
