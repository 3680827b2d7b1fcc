/** docs/guide.md: the client leaves, and everything that was done for it stops. Wants a `DATABASE_URL`. */
import { createServer } from 'node:http'
import { Pool } from 'pg'
import { createApp, type Scope } from 'unwind'
import { handle, listen } from 'unwind/http'
import { pgResources } from 'unwind/pg'

const connectionString = process.env['DATABASE_URL']
const db = pgResources(() => new Pool({ connectionString, max: 1 }))
const app = createApp()
const started = Promise.withResolvers<void>()
const ended = Promise.withResolvers<string>()

// #region cancel
async function report(scope: Scope): Promise<unknown> {
  scope.defer(({ status }) => ended.resolve(status))
  const lease = await scope.get(db.connection)
  const [slow, remote] = await scope.all([
    (signal) => lease.query('select pg_sleep(60)', [], { signal }), // cancelled on the server
    (signal) => fetch('http://reports.internal/', { signal }), // cut off
  ])
  return [slow.rows, await remote.text()]
}
const server = createServer(handle(app, (_request, _response, scope) => report(scope)))
// #endregion
globalThis.fetch = new Proxy(fetch, {
  apply: (real, self, [url, init]: Parameters<typeof fetch>) => {
    if (url !== 'http://reports.internal/') return Reflect.apply(real, self, [url, init])
    started.resolve()
    return new Promise((_, reject) => {
      init?.signal?.addEventListener('abort', () => reject(init.signal?.reason as Error))
    })
  },
})

const listening = await listen(app, server, { port: 0, host: '127.0.0.1' })
const patience = new AbortController()
const asked = fetch(listening.url, { signal: patience.signal })
await started.promise
const { leased } = (await app.get(db.pool)).stats()
console.log('leased while the client waits:', leased)
patience.abort()
await asked.catch(() => console.log('the client left'))
console.log('the scope:', await ended.promise)
const { rows } = await (await app.get(db.pool)).query("select 'free' as connection")
console.log(rows)
await app.shutdown()
