/** A server on one SQLite file: a transaction for each request that needs one, committed before its answer is sent. */
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createApp } from 'unwind'
import { handle, listen } from 'unwind/http'
import { sqliteResources } from 'unwind/better-sqlite3'

const folder = mkdtempSync(join(tmpdir(), 'orders-'))
const { database, transaction, reader } = sqliteResources(join(folder, 'orders.db'), { readers: 2 })

const app = createApp({ name: 'orders', onError: (error) => console.log(String(error)) })
app.defer(() => rmSync(folder, { recursive: true })) // first in, last out: after the database
const db = await app.get(database)
db.exec('create table orders (id integer primary key, item text not null)')

const server = createServer(
  handle(app, async (request, response, scope) => {
    if (request.method === 'GET') {
      const read = await scope.get(reader) // beside the writer, given back with the request
      return read.prepare('select id, item from orders').all()
    }
    const tx = await scope.get(transaction) // waits its turn; the client that leaves waits no more
    const item = new URL(request.url ?? '', 'http://localhost').searchParams.get('item')
    const { lastInsertRowid } = tx.prepare('insert into orders (item) values (?)').run(item)
    if (item === 'unicorn') throw Object.assign(new Error('No unicorns.'), { statusCode: 404 })
    response.statusCode = 201
    return { id: lastInsertRowid }
  }),
)
const listening = await listen(app, server, { port: 0, host: '127.0.0.1' })

for (const item of ['lamp', 'unicorn', 'chair']) {
  const answer = await fetch(`${listening.url}/?item=${item}`, { method: 'POST' })
  await answer.text()
  console.log(item, answer.status)
}
console.log(await (await fetch(listening.url)).json())
await app.shutdown()
