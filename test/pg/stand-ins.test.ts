/** What is given for a pool of node-postgres and is none: it is refused at once, with what it lacks. */
import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { test } from 'node:test'
import pg from 'pg'
import { createApp } from 'unwind'
import { pgPool, pgResources, type PgPoolLike } from 'unwind/pg'

import { newPool, untilIdle } from './support/database.ts'

type Answer = (error: Error | null, client?: unknown, release?: unknown) => void

/** As pg-mem and mocks written by hand are: methods, and nothing behind them. */
const results = { rows: [{ one: 1 }], rowCount: 1, command: 'SELECT', fields: [] }
const query = async (): Promise<unknown> => results

function stand(connect: (answer: Answer) => unknown): PgPoolLike<unknown> {
  const pool = { connect, query, end: async () => {}, on: () => {} }
  // Whoever writes one by hand casts it.
  return pool as unknown as PgPoolLike<unknown>
}

test('a connection without what a lease needs of the driver is refused by name, and given back', async () => {
  let released = 0
  const release = (): void => void (released += 1)
  const on = (): void => {}
  const clients: [string, object][] = [
    ['query', { on }],
    ['on', { query }],
    ['getTransactionStatus', { query, on }],
    // As pg-mem has it: it is its own connection.
    ['getTransactionStatus', { query, on, connection: { query, on } }],
  ]
  for (const [lacking, client] of clients) {
    for (const callBack of [(answer: () => void) => answer(), setImmediate]) {
      await using pool = pgPool(stand((answer) => callBack(() => answer(null, client, release))))
      const refusal = { name: 'TypeError', message: new RegExp(`has no \`${lacking}\`.*override`) }
      await assert.rejects(pool.query('select 1'), refusal)
      await assert.rejects(
        pool.transaction(() => {}),
        refusal,
      )
      assert.equal(pool.stats().waiting, 0)
    }
  }
  assert.equal(released, 4 * clients.length)
})

test('a pool that answers a callback with a promise alone is refused, and its client given back', async () => {
  let released = 0
  const client = { query, release: () => (released += 1) }
  await using app = createApp()
  const db = pgResources(stand(async () => client))
  await assert.rejects(
    app.run((scope) => scope.get(db.transaction)),
    { name: 'TypeError', message: /`connect` answers a callback with a promise.*override/ },
  )
  assert.equal(released, 1)

  await using failing = pgPool(stand(async () => Promise.reject(new Error('as mocked'))))
  await assert.rejects(failing.acquire(), /as mocked/)
  assert.equal(failing.stats().waiting, 0)
})

test('a pool whose connect is wrapped in an async function is used as it is', async () => {
  const raw = newPool({ max: 1 })
  const connect = raw.connect.bind(raw) as (answer: Answer) => unknown
  Object.assign(raw, { connect: async (answer: Answer) => connect(answer) })
  await using pool = pgPool(() => raw)
  assert.deepEqual((await pool.query('select 1 as one')).rows, [{ one: 1 }])
  await raw.end()
  await assert.rejects(pool.acquire(), /after calling end/)
})

test('a pool that cannot make a connection of what it is given leaves nobody waiting', async () => {
  await using pool = pgPool(() => new pg.Pool({ connectionString: 'postgres://host:port/none' }))
  await assert.rejects(pool.acquire(), { code: 'ERR_INVALID_URL' })
  assert.deepEqual(pool.stats(), { total: 0, idle: 0, leased: 0, waiting: 0 })
})

test('what lacks a method of a pool, or is a pool of leases, is refused at the door', async () => {
  const bare = { connect: query, query } as unknown as PgPoolLike<unknown>
  const wanted = { name: 'TypeError', message: /with its methods connect, end, on/ }
  assert.throws(() => pgPool(bare), wanted)
  assert.throws(() => pgPool(() => bare), wanted)
  await using pool = pgPool(() => newPool())
  await using lease = await pool.acquire()
  for (const facade of [pool.driver, lease.asPool<pg.Pool>()]) {
    const itself = { name: 'TypeError', message: /itself, and not `driver` or `asPool\(\)`/ }
    assert.throws(() => pgPool(facade), itself)
    assert.throws(() => pgResources(facade), itself)
    assert.throws(() => pgPool(() => facade), itself)
  }
  await lease[Symbol.asyncDispose]()
  await untilIdle(pool)
})

test('what is refused is told without the secrets in it, and by the name of the call', async () => {
  const config = { connectionString: 'postgres://ada:lovelace@localhost', password: 'lovelace' }
  for (const given of [config.connectionString, config, new pg.Client(config)]) {
    const complaint = (error: Error): boolean =>
      error.name === 'TypeError' && !error.message.includes('lovelace')
    assert.throws(() => pgPool(given as never), complaint)
    assert.throws(() => pgResources(given as never), complaint)
  }
  await using app = createApp()
  const nothing = pgResources(() => undefined as never)
  await assert.rejects(app.get(nothing.pool), /what the function given to pgResources\(\) made/)
})

test('a stand-in that has events, and no connection that tells its status, breaks nobody who hears of it', () => {
  const pool = Object.assign(new EventEmitter(), { connect: query, end: query })
  pgPool(pool as unknown as PgPoolLike<unknown>)
  pool.emit('connect', { query, on: () => {}, connection: {} })
})
