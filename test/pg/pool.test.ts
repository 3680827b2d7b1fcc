/** A pool of leases: who waits is answered, what breaks is replaced, and a request leaves nothing in it. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { test } from 'node:test'
import pg from 'pg'
import { createApp } from 'unwind'
import { pgPool, pgResources } from 'unwind/pg'

import { collectedUntil } from '../core/support/gc.ts'
import { Site } from '../inspector/support/site.ts'
import { Wire } from '../support/chaos-proxy.ts'
import { backendOf, databaseUrl, newPool, newTable, Observer } from './support/database.ts'

const disposed = { name: 'DisposedError', code: 'ERR_DISPOSED' }

test('dispose turns away who waits, and gives who holds the time to release', async () => {
  const pool = pgPool(() => newPool(), { grace: 60_000 })
  const lease = await pool.acquire()
  const waiting = assert.rejects(pool.acquire(), disposed)
  const asking = assert.rejects(pool.query('select 1'), disposed)
  let done = false
  const closing = pool[Symbol.asyncDispose]().then(() => (done = true))
  await Promise.all([waiting, asking])
  assert.deepEqual((await lease.query('select 1 as one')).rows, [{ one: 1 }])
  assert.equal(done, false)
  await assert.rejects(pool.acquire(), disposed)
  await assert.rejects(
    pool.transaction(() => {}),
    disposed,
  )
  await lease[Symbol.asyncDispose]()
  await closing
})

test('dispose takes away what is held for longer than the grace, and no backend is left', async () => {
  await using observer = await Observer.start()
  const raw = newPool({ max: 3 })
  const pool = pgPool(() => raw, { grace: 100 })
  const idle = await pool.acquire()
  const busy = await pool.acquire()
  const pid = await backendOf(busy)
  const running = assert.rejects(busy.query('select pg_sleep(60)'), { code: '57014' })
  await observer.untilRunning(pid, 'pg_sleep')
  const first = pool[Symbol.asyncDispose]()
  assert.equal(pool[Symbol.asyncDispose](), first)
  await first
  await running
  for (const lease of [idle, busy]) {
    assert.equal(lease.disposed, true)
    await assert.rejects(lease.query('select 1'), disposed)
    await lease[Symbol.asyncDispose]()
  }
  await observer.untilGone(pid)
  assert.equal(await observer.backends(raw.label), 0)
})

test('dispose ends while a connection is still being opened, and closes that too', async () => {
  const silent = createServer().listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const { port } = silent.address() as AddressInfo
  const arrived = once(silent, 'connection') as Promise<[Socket]>
  const pool = pgPool(() => new pg.Pool({ host: '127.0.0.1', port, user: 'nobody' }), { grace: 50 })
  const waiting = assert.rejects(pool.acquire(), disposed)
  const [socket] = await arrived
  const closed = once(socket.resume(), 'close')
  await pool[Symbol.asyncDispose]()
  await Promise.all([waiting, closed])
  silent.close()
  await once(silent, 'close')
})

test('dispose ends although the server fell silent', async () => {
  await using wire = await Wire.start()
  const pool = pgPool(() => newPool({ connectionString: wire.url, max: 2 }), { grace: 50 })
  await using tx = await (await pool.acquire()).begin()
  const hung = assert.rejects(tx.query('select pg_sleep(60)'))
  await (await pool.acquire())[Symbol.asyncDispose]()
  wire.freeze()
  await pool[Symbol.asyncDispose]()
  await hung
})

test('a pool that was given is not ended, and its other users go on', async () => {
  const raw = newPool()
  const pool = pgPool(raw)
  await pool.query('select 1')
  await pool[Symbol.asyncDispose]()
  await assert.rejects(pool.query('select 1'), disposed)
  assert.deepEqual((await raw.query('select 1 as one')).rows, [{ one: 1 }])
  assert.equal(raw.ended, false)
  await raw.end()
})

test('nor are the connections of its other users closed where its end takes too long', async () => {
  const raw = newPool({ max: 2 })
  const db = pgResources(raw, { grace: 60_000 })
  const app = createApp({ disposeTimeout: 1 })
  const pool = await app.get(db.pool)
  // Both of its connections have been leased once, and one is for ever.
  const leases = [await pool.acquire(), await pool.acquire()]
  await leases[0]?.[Symbol.asyncDispose]()
  const others = await raw.connect()
  await assert.rejects(app.close(), { code: 'ERR_DISPOSE_TIMEOUT' })
  assert.deepEqual((await others.query('select 1 as one')).rows, [{ one: 1 }])
  others.release()
  await raw.end()
})

test('what keeps a connection from being opened is passed on', async () => {
  const unreachable = createServer().listen(0, '127.0.0.1')
  await once(unreachable, 'listening')
  const { port } = unreachable.address() as AddressInfo
  unreachable.close()
  await once(unreachable, 'close')
  await using pool = pgPool(() => new pg.Pool({ host: '127.0.0.1', port }))
  await assert.rejects(pool.acquire(), { code: 'ECONNREFUSED' })
  assert.equal(pool.stats().waiting, 0)
})

test('so is what is no error: who verifies a connection may refuse it with anything', async () => {
  const refusal = 'not this one'
  await using pool = pgPool(() => newPool({ verify: (_client, done) => done(refusal as never) }))
  await assert.rejects(pool.acquire(), (error) => error === refusal)
  assert.deepEqual(pool.stats(), { total: 0, idle: 0, leased: 0, waiting: 0 })
})

test('an error of a statement costs no connection, and a statement that is aborted gives it back', async () => {
  await using pool = pgPool(() => newPool(), { grace: 60_000 })
  const { rows } = await pool.query('select pg_backend_pid() as pid')
  await assert.rejects(pool.query('select 1/0'), { code: '22012' })
  const controller = new AbortController()
  const aborted = pool.query('select pg_sleep(60)', [], { signal: controller.signal })
  setTimeout(() => controller.abort(new Error('enough')), 20)
  await assert.rejects(aborted, { message: 'enough' })
  const named = { text: 'select pg_backend_pid() as pid', name: 'pid' }
  assert.deepEqual((await pool.query(named)).rows, rows)
})

test('the server never sees more connections than the pool may have, whatever is cancelled or closed', async () => {
  await using observer = await Observer.start()
  for (const options of [{}, { reset: { sql: 'select 1/0', when: 'always' } }] as const) {
    const raw = newPool({ max: 2 })
    await using pool = pgPool(() => raw, { grace: 60_000, ...options })
    let most = 0
    let left = 60
    const work = async (): Promise<void> => {
      while ((left -= 1) > 0) {
        const lease = await pool.acquire()
        lease.query('select pg_sleep(60)').catch(() => {})
        most = Math.max(most, await observer.backends(raw.label))
        await lease[Symbol.asyncDispose]()
      }
    }
    await Promise.all([work(), work(), work(), work()])
    assert.ok(most <= 2, `${most} backends`)
  }
})

test('a connection that is lost gives up its place, although its holder never releases it', async () => {
  await using observer = await Observer.start()
  await using pool = pgPool(() => newPool(), { grace: 0 })
  const kept = await pool.acquire()
  await observer.terminate(await backendOf(kept))
  // Its connection is the only one that the pool may have.
  await using lease = await pool.acquire()
  await assert.rejects(kept.query('select 1'), { code: 'ERR_PG_CONNECTION_LOST' })
  await kept[Symbol.asyncDispose]()
  assert.deepEqual((await lease.query('select 1 as one')).rows, [{ one: 1 }])
})

test('a thousand leases leave no listener behind', async () => {
  const raw = newPool()
  await using pool = pgPool(() => raw)
  const counts = async (): Promise<Record<string, number>> => {
    await using lease = await pool.acquire()
    const client = lease.unsafeClient() as pg.Client & { connection: pg.Connection }
    const counted: Record<string, number> = {}
    for (const emitter of [client, client.connection, client.connection.stream, raw]) {
      for (const name of emitter.eventNames()) {
        const key = `${emitter.constructor.name} ${String(name)}`
        counted[key] = (counted[key] ?? 0) + emitter.listenerCount(name)
      }
    }
    return counted
  }
  const before = await counts()
  for (let n = 0; n < 1000; n += 1) await (await pool.acquire())[Symbol.asyncDispose]()
  assert.deepEqual(await counts(), before)
})

test("what others leave in the same pool is never lent: a transaction's connection is replaced", async () => {
  const raw = newPool()
  await using pool = pgPool(() => raw, { grace: 60_000 })
  for (const ended of ['T', 'E'] as const) {
    const client = await raw.connect()
    const pid = await backendOf(client)
    await client.query('begin')
    if (ended === 'E') await assert.rejects(client.query('select 1/0'))
    client.release()
    await using lease = await pool.acquire()
    assert.notEqual(await backendOf(lease), pid)
    await lease.query('vacuum pg_largeobject_metadata')
  }
})

test('a statement that others left running in the same pool is waited for, not cut off', async () => {
  await using table = await newTable()
  const raw = newPool()
  await using pool = pgPool(() => raw, { grace: 60_000 })
  const client = await raw.connect()
  const left = client.query(`insert into ${table.name} select 1 from pg_sleep(0.05)`)
  client.release()
  await using lease = await pool.acquire()
  assert.deepEqual((await lease.query('select 1 as one')).rows, [{ one: 1 }])
  await left
  assert.deepEqual(await table.values(), [1])
})

test("what runs on the pool's 'connect' event comes before the first statement of the lease", async () => {
  const raw = newPool()
  raw.on('connect', (client) => void client.query("set application_name = 'first of all'"))
  await using pool = pgPool(() => raw)
  const { rows } = await pool.query("select current_setting('application_name') as name")
  assert.deepEqual(rows, [{ name: 'first of all' }])
})

test('a pool whose connections all come with a transaction open says so', async () => {
  await using pool = pgPool(() => newPool({ onConnect: (client) => void client.query('begin') }))
  await assert.rejects(pool.acquire(), { code: 'ERR_PG_TRANSACTION_OPEN', message: /onConnect/ })
  assert.equal(pool.stats().waiting, 0)
})

test('stats() counts what is open, idle, leased and waited for', async () => {
  await using pool = pgPool(() => newPool({ max: 2 }))
  assert.deepEqual(pool.stats(), { total: 0, idle: 0, leased: 0, waiting: 0 })
  const one = await pool.acquire()
  const two = await pool.acquire()
  const three = pool.acquire()
  assert.deepEqual(pool.stats(), { total: 2, idle: 0, leased: 2, waiting: 1 })
  await one[Symbol.asyncDispose]()
  await (await three)[Symbol.asyncDispose]()
  assert.deepEqual(pool.stats(), { total: 2, idle: 1, leased: 1, waiting: 0 })
  await two[Symbol.asyncDispose]()
  assert.deepEqual(pool.stats(), { total: 2, idle: 2, leased: 0, waiting: 0 })
})

test('stats() does not count a lease whose connection is lost: its place is taken by others', async () => {
  await using observer = await Observer.start()
  await using pool = pgPool(() => newPool(), { grace: 0 })
  await using kept = await pool.acquire()
  await observer.terminate(await backendOf(kept))
  const other = await pool.acquire()
  assert.deepEqual(pool.stats(), { total: 1, idle: 0, leased: 1, waiting: 0 })
  await other[Symbol.asyncDispose]()
  assert.deepEqual(pool.stats(), { total: 1, idle: 1, leased: 0, waiting: 0 })
})

test('a pool is in the picture of any app, with its counts, until it is disposed or forgotten', async () => {
  await using site = await Site.open()
  const pools = async (): Promise<unknown[]> => {
    const headers = await site.enter()
    const { body } = await site.ask('/__unwind/snapshot.json', { headers })
    // What the inspector says of pools, of which other tests may have left some.
    const picture = JSON.parse(body) as { pools: { limit: number }[] }
    return picture.pools.filter(({ limit }) => limit === 7)
  }
  {
    await using _pool = pgPool(() => newPool({ max: 7 }))
    await using _lease = await _pool.acquire()
    const { pathname, host } = new URL(databaseUrl())
    const name = host + pathname
    assert.deepEqual(await pools(), [{ name, total: 1, leased: 1, idle: 0, waiting: 0, limit: 7 }])
  }
  assert.deepEqual(await pools(), [])
  let kept: object | undefined = pgPool(newPool({ max: 7 }))
  const forgotten = new WeakRef(kept)
  assert.equal((await pools()).length, 1)
  // Until here it was held.
  assert.notEqual(kept, undefined)
  kept = undefined
  assert.ok(await collectedUntil(() => forgotten.deref() === undefined))
  assert.deepEqual(await pools(), [])
})
