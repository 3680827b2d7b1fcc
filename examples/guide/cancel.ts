/** docs/guide.md: the client leaves, and everything that was done for it stops. Wants a `DATABASE_URL`. */
import { once } from 'node:events'
// #region cancel
import { createServer } from 'node:http'
import { Pool } from 'pg'
import { createApp, type Scope } from 'unwind'
import { handle, listen } from 'unwind/http'
import { pgResources } from 'unwind/pg'

const connectionString = process.env['DATABASE_URL']
const db = pgResources(() => new Pool({ connectionString, max: 1 }))
const app = createApp()

const silent = createServer(() => {}) // stands for a service that does not answer
const reports = await listen(app, silent, { port: 0 })

async function report(scope: Scope): Promise<unknown> {
  scope.defer(({ status }) => console.log('the scope:', status))
  const lease = await scope.get(db.connection)
  const [slow, remote] = await scope.all([
    (signal) => lease.query('select pg_sleep(60)', [], { signal }), // cancelled on the server
    (signal) => fetch(reports.url, { signal }), // cut off
  ])
  return [slow.rows, await remote.text()]
}
const server = createServer(handle(app, (_request, _response, scope) => report(scope)))
const { url } = await listen(app, server, { port: 0 })
// #endregion

const asked = once(silent, 'request')
const patience = new AbortController()
const answer = fetch(url, { signal: patience.signal })
await asked
const pool = await app.get(db.pool)
console.log('connections held while the client waits:', pool.stats().leased)
patience.abort()
await answer.catch(() => console.log('the client left'))
await pool.query('select 1') // gets the only connection, as soon as it is back
await app.shutdown()
console.log('after the scope:', pool.stats().leased)
