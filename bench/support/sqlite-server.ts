/** One server that takes orders into an SQLite file, in several ways. For patterns/sqlite-server.ts. */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { RequestListener, ServerResponse } from 'node:http'
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
  'by hand, for handlers that await': byHandInTurn,
  'handle() and a transaction by hand': handled,
  'handle() and write()': written(false),
  'handle() and write(), given the signal': written(true),
  'handle() and the transaction of the request': ofRequest,
}

/** As one would write it without a library: better-sqlite3's own transaction, an answer, and an error that is answered. */
async function byHand(path: string): Promise<RequestListener> {
  const buy = openByHand(path)
  return (_request, response) => {
    try {
      send(response, buy())
    } catch (error) {
      fail(response, error)
    }
  }
}

/** The same where the handler may await: it has a context, and the one writer is lent in turn. */
async function byHandInTurn(path: string): Promise<RequestListener> {
  const db = open(path)
  const [begin, commit, rollback] = ['begin immediate', 'commit', 'rollback'].map((sql) =>
    db.prepare(sql),
  )
  const buy = buyingIn(db)
  const storage = new AsyncLocalStorage<object>()
  let turn: Promise<unknown> = Promise.resolve()
  const transaction = async (): Promise<Answer> => {
    try {
      begin?.run()
      const answer = buy('lamp')
      commit?.run()
      return answer
    } finally {
      if (db.inTransaction) rollback?.run()
    }
  }
  const inTurn = (): Promise<Answer> => {
    const result = turn.then(transaction)
    turn = result.catch(() => {})
    return result
  }
  const answer = async (response: ServerResponse): Promise<void> => {
    try {
      send(response, await inTurn())
    } catch (error) {
      fail(response, error)
    }
  }
  return (_request, response) => void storage.run({}, answer, response)
}

/** The part of the price that is the scope's and the answer's. */
async function handled(path: string): Promise<RequestListener> {
  const buy = openByHand(path)
  return handle(createApp({ name: 'bench' }), async () => buy())
}

/** @param cancellable whether a request whose client has left gives up its turn, which none of those by hand does */
function written(cancellable: boolean): (path: string) => Promise<RequestListener> {
  return async (path) => {
    const app = createApp({ name: 'bench' })
    const db = await app.get(sqliteResources(path).database)
    return handle(app, async (_request, _response, scope) => {
      const tx = await db.write(cancellable ? { signal: scope.signal } : undefined)
      try {
        const answer = buyIn(tx)
        tx.commit()
        return answer
      } finally {
        await tx[Symbol.asyncDispose]()
      }
    })
  }
}

async function ofRequest(path: string): Promise<RequestListener> {
  const app = createApp({ name: 'bench' })
  const { transaction } = sqliteResources(path)
  return handle(app, async (_request, _response, scope) => buyIn(await scope.get(transaction)))
}

function open(path: string): BetterSqlite3.Database {
  const db = new BetterSqlite3(path)
  db.exec(settings)
  return db
}

function openByHand(path: string): () => Answer {
  const db = open(path)
  const buy = db.transaction(buyingIn(db))
  return () => buy.immediate('lamp')
}

function buyingIn(db: BetterSqlite3.Database): (item: string) => Answer {
  const taking = db.prepare(take)
  const ordering = db.prepare(order)
  return (item) => {
    const row = taking.get(item) as { left: number }
    return { order: ordering.run(item).lastInsertRowid, left: row.left }
  }
}

function buyIn(tx: Pick<SqliteDatabase, 'prepare'>): Answer {
  const left = tx.prepare<{ left: number }>(take).get('lamp')?.left ?? 0
  return { order: tx.prepare(order).run('lamp').lastInsertRowid, left }
}

function send(response: ServerResponse, answer: Answer): void {
  const body = JSON.stringify(answer)
  response.setHeader('content-type', 'application/json')
  response.setHeader('content-length', Buffer.byteLength(body))
  response.end(body)
}

function fail(response: ServerResponse, error: unknown): void {
  response.statusCode = 500
  response.end(String(error))
}
