/** docs/guide.md: a scope for each socket, and one for each of its messages. */
import { createServer } from 'node:http'
import { WebSocketServer } from 'ws'
import { createApp } from 'unwind'
import { sqliteResources } from 'unwind/better-sqlite3'
import { listen } from 'unwind/http'
import { connect, serveSockets } from 'unwind/ws'

const db = sqliteResources(':memory:')
const app = createApp()
;(await app.get(db.database)).exec('create table message (text text)')

// #region serve
const server = createServer()
serveSockets(app, new WebSocketServer({ server }), async (socket, scope) => {
  scope.defer(({ status }) => console.log('socket:', status)) // as long as the visitor stays
  for await (const message of socket) {
    await scope.run({ kind: 'request', timeout: 5_000 }, async (one) => {
      const tx = await one.get(db.transaction) // as long as this message
      tx.prepare('insert into message values (?)').run(String(message))
    })
    await socket.send(`kept: ${String(message)}`) // after the commit; waits while the peer does not read
  }
})
// #endregion
const listening = await listen(app, server, { port: 0, host: '127.0.0.1' })

// #region connect
{
  await using client = await connect(listening.url.replace('http', 'ws'))
  await client.send('hello')
  for await (const answer of client) {
    console.log(answer)
    break
  }
} // an orderly close, with a bound
// #endregion
await app.shutdown()
