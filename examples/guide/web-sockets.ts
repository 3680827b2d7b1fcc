/** docs/guide.md: a scope for each socket, and one for each of its messages. */
// #region serve
import { createServer } from 'node:http'
import { WebSocketServer } from 'ws'
import { createApp } from 'unwind'
import { sqliteResources } from 'unwind/better-sqlite3'
import { listen } from 'unwind/http'
import { connect, serveSockets } from 'unwind/ws'

const app = createApp()
const db = sqliteResources(':memory:')
const database = await app.get(db.database)
database.exec('create table message (text text)')

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
const { url } = await listen(app, server, { port: 0 })
// #endregion

// #region connect
{
  await using client = await connect(url.replace('http', 'ws'))
  await client.send('hello')
  for await (const answer of client) {
    console.log(answer)
    break
  }
} // an orderly close, with a bound
// #endregion
await app.shutdown()
