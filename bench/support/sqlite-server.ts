/**
 * One server that takes orders, in one of several ways: `node sqlite-server.ts WAY PATH`, started by
 * patterns/sqlite-server.ts. It sends its port, and its CPU time whenever it is asked.
 */
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import BetterSqlite3 from 'better-sqlite3'
import { createApp } from 'unwind'
import { sqliteResources, type SqliteDatabase } from 'unwind/better-sqlite3'
import { handle } from 'unwind/http'
import { settings } from './sqlite.ts'

const take = 'update stock set left = left - 1 where item = ? and left > 0 returning left'
const order = 'insert into orders (item) values (?)'

interface Answer {
  readonly order: number | bigint
  readonly left: number
}

/** The ways, by name. The first is the baseline, the second the same once more. */
export const ways: Readonly<Record<string, (path: string) => Promise<RequestListener>>> = {
  'by hand': byHand,
  'by hand, again': byHand,
  'handle() and a transaction by hand': handled,
  'handle() and write()': written,
  'handle() and the transaction of the request': ofRequest,
}

/** As one would write it without a library: better-sqlite3's own transaction, an answer, and an error that is answered. */
async function byHand(path: string): Promise<RequestListener> {
  const buy = openByHand(path)
  return (_request, response) => {
    try {
      const body = JSON.stringify(buy())
      response.setHeader('content-type', 'application/json')
      response.setHeader('content-length', Buffer.byteLength(body))
      response.end(body)
    } catch (error) {
      response.statusCode = 500
      response.end(String(error))
    }
  }
}

/** The part of the price that is the scope's and the answer's. */
async function handled(path: string): Promise<RequestListener> {
  const buy = openByHand(path)
  return handle(createApp({ name: 'bench' }), async () => buy())
}

function openByHand(path: string): () => Answer {
  const db = new BetterSqlite3(path)
  db.exec(settings)
  const taking = db.prepare(take)
  const ordering = db.prepare(order)
  const buy = db.transaction((item: string): Answer => {
    const row = taking.get(item) as { left: number }
    return { order: ordering.run(item).lastInsertRowid, left: row.left }
  })
  return () => buy.immediate('lamp')
}

async function written(path: string): Promise<RequestListener> {
  const app = createApp({ name: 'bench' })
  const db = await app.get(sqliteResources(path).database)
  return handle(app, async (_request, _response, scope) => {
    const tx = await db.write({ signal: scope.signal })
    try {
      const answer = buyIn(tx)
      tx.commit()
      return answer
    } finally {
      await tx[Symbol.asyncDispose]()
    }
  })
}

async function ofRequest(path: string): Promise<RequestListener> {
  const app = createApp({ name: 'bench' })
  const { transaction } = sqliteResources(path)
  return handle(app, async (_request, _response, scope) => buyIn(await scope.get(transaction)))
}

function buyIn(tx: Pick<SqliteDatabase, 'prepare'>): Answer {
  const left = tx.prepare<{ left: number }>(take).get('lamp')?.left ?? 0
  return { order: tx.prepare(order).run('lamp').lastInsertRowid, left }
}

const [way = '', path = ''] = process.argv.slice(2)
const open = ways[way]
if (process.send !== undefined && open !== undefined) {
  const server = createServer(await open(path)).listen(0, '127.0.0.1', () => {
    // A server that listens on a port has one.
    process.send?.({ port: (server.address() as AddressInfo).port })
  })
  process.on('message', () => process.send?.({ cpu: process.cpuUsage() }))
  process.on('disconnect', () => process.exit())
}
