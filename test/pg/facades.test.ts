/** What stands for a pool of the driver, `driver` and `asPool()`: its manners, and whose transactions it may end. */
import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { test } from 'node:test'
import pg from 'pg'
import Cursor from 'pg-cursor'
import QueryStream from 'pg-query-stream'
import { pgPool, type PgLease } from 'unwind/pg'

import { backendOf, newPool, untilIdle } from './support/database.ts'

const disposed = { code: 'ERR_DISPOSED' }

test('over asPool() nobody ends a transaction that somebody else began, and none is mixed with another', async () => {
  await using pool = pgPool(() => newPool())
  await using lease = await pool.acquire()
  await using tx = await lease.begin()
  const open = { code: 'ERR_PG_TRANSACTION_OPEN' }
  for (const owner of [tx, lease]) {
    const client = await owner.asPool<pg.Pool>().connect()
    await assert.rejects(client.query('commit'), open)
    await assert.rejects(client.query('ROLLBACK'), open)
    await client.query('begin')
    await assert.rejects(client.query('begin'), open)
    const other = await owner.asPool<pg.Pool>().connect()
    await assert.rejects(other.query('begin'), open)
    await client.query('commit')
    await assert.rejects(client.query('begin isolation level serializable'), {
      name: 'TypeError',
      message: /`isolation` of BEGIN.*'read committed'.*'serializable'/,
    })
    await client.query('begin isolation level read committed read write')
    client.release()
    await assert.rejects(client.query('select 1'), disposed)
    await tx.query('select 1')
  }
  assert.equal(tx.state, 'open')
})

const levels = ['read uncommitted', 'read committed', 'repeatable read', 'serializable']
const modes = ['', 'read only', 'read write', 'deferrable', 'not deferrable']

test('every isolation level with every other mode is understood, whatever stands between them', async () => {
  await using pool = pgPool(() => newPool())
  const asked = levels.flatMap((level) =>
    modes.flatMap((mode) =>
      [', ', ' ', '\n'].map((between) => ({ level, mode, text: level + between + mode })),
    ),
  )
  const client = await pool.driver.connect()
  for (const { level, mode, text } of asked) {
    await client.query(`start transaction isolation level ${text.replace(/,?\s+$/, '')}`)
    const { rows } = await client.query<Record<string, string>>(`select
      current_setting('transaction_isolation') as level,
      current_setting('transaction_read_only') as "readOnly",
      current_setting('transaction_deferrable') as deferrable`)
    assert.deepEqual(rows[0], {
      level: level === 'read uncommitted' ? 'read committed' : level,
      readOnly: mode === 'read only' ? 'on' : 'off',
      deferrable: mode === 'deferrable' ? 'on' : 'off',
    })
    await client.query('rollback')
  }
  await assert.rejects(client.query('begin isolation level snapshot read only'), {
    name: 'TypeError',
    message: /isolation level.*'snapshot'/,
  })
  client.release()
})

const ends = [
  'commit;',
  ' COMMIT WORK ',
  'commit transaction',
  'end',
  'END TRANSACTION;',
  'commit and no chain',
  '/* by whom */ commit',
  '-- at last\ncommit',
  `commit /* action='save%2Fall',controller='orders',traceparent='00-5bd66ef5095369c7b0d1f8f4bd33716a-c532cb4098ac3dd2-01',x='1' */`,
  ';commit;;',
  'rollback;',
  'Rollback Work and no chain',
  'abort',
  'abort transaction /* no */',
]

test('a transaction is begun and ended by text in every way in which SQL writes that', async () => {
  await using pool = pgPool(() => newPool())
  await using lease = await pool.acquire()
  await using around = await lease.begin()
  const inside = await around.asPool<pg.Pool>().connect()
  const open = { code: 'ERR_PG_TRANSACTION_OPEN' }
  for (const text of [...ends, 'commit and chain', '/* */ rollback work and chain;']) {
    await assert.rejects(inside.query(text), open, text)
  }
  await around.rollback()

  const client = await lease.asPool<pg.Pool>().connect()
  const begins = ['begin /* c */', '-- c\nstart transaction;', ' BEGIN WORK; ', 'begin transaction']
  for (const [at, text] of ends.entries()) {
    await client.query(begins[at % begins.length] ?? 'begin')
    await client.query(text)
    // Nobody believes that it is open, on either side.
    const free = await lease.begin()
    await free.rollback()
  }
  for (const text of ['commit and chain', 'rollback work and chain;']) {
    await client.query('begin')
    await assert.rejects(client.query(text), { ...open, message: /AND CHAIN/ })
    await client.query('rollback')
  }
})

test('a pool of one connection dies with that', async () => {
  await using pool = pgPool(() => newPool())
  const lease = await pool.acquire()
  const ofLease = lease.asPool<pg.Pool>()
  const client = await ofLease.connect()
  const begun = await lease.begin()
  const ofTransaction = begun.asPool<pg.Pool>()
  await begun.commit()
  await assert.rejects(ofTransaction.query('select 1'), disposed)
  await assert.rejects(ofTransaction.connect(), disposed)
  await ofLease.query('select 1')
  await lease[Symbol.asyncDispose]()
  await assert.rejects(client.query('select 1'), disposed)
  await assert.rejects(ofLease.query('select 1'), disposed)
  assert.throws(() => lease.asPool(), disposed)
})

test('a client takes its listeners back also where its connection was taken away before', async () => {
  await using pool = pgPool(() => newPool())
  const heard: unknown[] = []
  await using lease = await pool.acquire()
  const driver = lease.unsafeClient() as EventEmitter
  for (const takeBack of ['release', 'removeAllListeners', 'removeListener'] as const) {
    await using tx = await lease.begin()
    const client = await tx.asPool<pg.Pool>().connect()
    const hear = (notice: unknown): void => void heard.push(notice)
    client.on('notice', hear)
    await tx.commit()
    if (takeBack === 'release') client.release()
    else client[takeBack]('notice', hear)
    assert.equal(driver.listenerCount('notice'), 0, takeBack)
    if (takeBack !== 'release') assert.throws(() => client.on('notice', hear), disposed)
  }
})

test('the facade of a pool has the manners of the driver’s: promises, callbacks, configs, dead clients', async () => {
  const raw = newPool({ max: 2 })
  await using pool = pgPool(() => raw)
  const driver = pool.driver
  assert.equal(pool.driver, driver)
  assert.match(driver.constructor.name, /Pool/)
  assert.equal(driver.options, raw.options)
  const one = await driver.query<{ n: number }>('select $1::int as n', [1])
  assert.deepEqual(one.rows, [{ n: 1 }])
  assert.deepEqual(
    (await driver.query({ text: 'select $1::int as n', rowMode: 'array' }, [2])).rows,
    [[2]],
  )

  const client = await driver.connect()
  assert.equal(pool.stats().leased, 1)
  assert.equal(driver.idleCount, pool.stats().idle)
  const backend = await backendOf(client)
  const called = await new Promise((resolve, reject) => {
    client.query('select 3 as n', (error, result) => (error ? reject(error) : resolve(result.rows)))
  })
  assert.deepEqual(called, [{ n: 3 }])
  const failed = await new Promise((resolve) => {
    client.query('select 1/0', [], (error: Error & { code?: string }) => resolve(error.code))
  })
  assert.equal(failed, '22012')
  assert.equal(client.escapeIdentifier('a "b"'), '"a ""b"""')
  assert.equal(client.escapeLiteral("it's"), "'it''s'")
  assert.equal(client.getTransactionStatus(), 'I')
  await client.query('begin')
  assert.equal(client.getTransactionStatus(), 'T')
  await client.query("set statement_timeout = '7s'")
  client.release()
  client.release()
  assert.throws(() => client.getTransactionStatus(), disposed)
  await assert.rejects(client.query('select 1'), disposed)
  await untilIdle(pool)

  const next = await driver.connect()
  assert.equal(await backendOf(next), backend)
  const { rows } = await next.query("select current_setting('statement_timeout') as timeout")
  assert.deepEqual(rows, [{ timeout: '0' }])
  const notices: unknown[] = []
  const listener = (notice: { message?: string | undefined }): number =>
    notices.push(notice.message)
  next.on('notice', listener)
  await next.query("do $$ begin raise notice 'hear me'; end $$")
  assert.deepEqual(notices, ['hear me'])
  next.release(true)
  await untilIdle(pool)
  const { fresh, release } = await new Promise<Connected>((resolve, reject) => {
    driver.connect((error, connected, done) => {
      if (error || connected === undefined) reject(error)
      else resolve({ fresh: connected, release: done })
    })
  })
  assert.notEqual(await backendOf(fresh), backend, 'a truthy argument closes the connection')
  release()
  await assert.rejects(fresh.query('select 1'), disposed)
  await untilIdle(pool)
  await driver.end()
  await pool.query('select 1')
  await pool[Symbol.asyncDispose]()
  await assert.rejects(driver.connect(), disposed)
})

test('the facade of a pool is known as one by its class and by the name of that', async () => {
  const raw = newPool()
  await using pool = pgPool(() => raw)
  const { driver } = pool
  await using lease = await pool.acquire()
  await using tx = await lease.begin()
  for (const facade of [driver, lease.asPool(), tx.asPool()]) {
    assert.ok(facade instanceof pg.Pool)
    assert.match(facade.constructor.name, /Pool/)
  }
  assert.equal(driver.expiredCount, 0)
})

test('the facade of a pool hands every method of an emitter on, also those that it would inherit', async () => {
  const raw = newPool()
  await using pool = pgPool(() => raw)
  const { driver } = pool
  for (const name of Object.getOwnPropertyNames(EventEmitter.prototype)) {
    if (typeof Reflect.get(raw, name) !== 'function' || name === 'constructor') continue
    assert.ok(Object.hasOwn(Object.getPrototypeOf(driver), name), name)
  }
  const heard: unknown[] = []
  driver.on('error', (...parameters: unknown[]) => heard.push('second', ...parameters))
  const first = (): number => heard.push('first')
  assert.equal(driver.prependListener('error', first), driver)
  assert.equal(driver.emit('error', 1, 2), true)
  assert.deepEqual(heard, ['first', 'second', 1, 2])
  assert.deepEqual(driver.listeners('error'), raw.listeners('error'))
  driver.removeListener('error', first)
  assert.equal(raw.listeners('error').includes(first), false)
  raw.on('release', first)
  driver.removeAllListeners('release')
  assert.equal(driver.listenerCount('release'), 0)
})

test('cursors and streams of the driver are read through a cursor that ends with its client', async () => {
  await using pool = pgPool(() => newPool())
  const many = 'select n from generate_series(1, $1::int) as n'
  {
    const client = await pool.driver.connect()
    const cursor = client.query(new Cursor<{ n: number }>(many, [5]))
    assert.deepEqual(await cursor.read(2), [{ n: 1 }, { n: 2 }])
    const rest = await new Promise((resolve, reject) => {
      cursor.read(9, (error, rows) => (error ? reject(error) : resolve(rows)))
    })
    assert.deepEqual(rest, [{ n: 3 }, { n: 4 }, { n: 5 }])
    assert.deepEqual(await cursor.read(1), [])
    await cursor.close()

    const stream = client.query(new QueryStream(many, [1000], { batchSize: 10, rowMode: 'array' }))
    let seen = 0
    for await (const [n] of stream) {
      seen += 1
      assert.equal(n, seen)
      if (seen === 25) break
    }
    const whole = client.query(new QueryStream(many, [33], { batchSize: 10 }))
    assert.equal((await whole.toArray()).length, 33)
    const left = client.query(new Cursor(many, [1000]))
    await left.read(1)
    client.release()
    await assert.rejects(left.read(1), disposed)
  }
  await untilIdle(pool)
  await using lease = await pool.acquire()
  await assertQuiet(lease)
  const client = await lease.asPool<pg.Pool>().connect()
  assert.throws(() => client.query(new pg.Query('select 1')), /unsafeClient/)
})

/** What a callback of `connect()` is given. */
interface Connected {
  readonly fresh: pg.PoolClient
  readonly release: () => void
}

async function assertQuiet(lease: PgLease): Promise<void> {
  const { rows } = await lease.query('select count(*)::int as n from pg_cursors')
  assert.deepEqual(rows, [{ n: 0 }])
  // Refused inside of a transaction.
  await lease.query('vacuum pg_largeobject_metadata')
}
