/** A cursor that is disposed or called off while its answer comes, in each turn of that. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type pg from 'pg'
import QueryStream from 'pg-query-stream'
import { pgPool } from 'unwind/pg'

import { backendOf, newPool, Observer, until } from './support/database.ts'
import { newKey } from './support/locks.ts'
import { Wire } from './support/proxy.ts'

const one = { batchSize: 1 }
const numbers = 'select generate_series(1, 3) as n'

test('a cursor that is disposed between the answer and its rows gives these or an error, and no empty page', async () => {
  await using pool = pgPool(() => newPool(), { grace: 60_000 })
  await using lease = await pool.acquire()
  // Asked for before anything runs: it marks the session as changed, and no more.
  const client = lease.unsafeClient() as pg.ClientBase
  for (let turns = 0; turns < 16; turns += 1) {
    const cursor = lease.cursor('explain select 1')
    const closed = new Promise<void>((resolve, reject) => {
      client.once('drain', () => {
        let waited = Promise.resolve()
        for (let turn = 0; turn < turns; turn += 1) waited = waited.then(() => undefined)
        waited.then(() => cursor[Symbol.asyncDispose]()).then(resolve, reject)
      })
    })
    const page = await cursor.read(1).catch((error: unknown) => error)
    await closed
    assert.notDeepEqual(page, [], `after ${turns} turns`)
  }
})

test('cancel() of the lease ends a read also while its cursor is being opened', async () => {
  await using wire = await Wire.start()
  await using pool = pgPool(() => newPool({ connectionString: wire.url }), { grace: 60_000 })
  await using lease = await pool.acquire()
  await lease.query('select 1')
  // In the answer to BEGIN, and in that to DECLARE.
  for (const held of [1, 2]) {
    let answers = 0
    wire.holds = ({ type }) => type === 'Z' && ++answers === held
    const read = assert.rejects(lease.cursor(numbers).read(1), { name: 'AbortError' })
    await until(() => answers === held, 'the answer is held')
    const cancelled = lease.cancel()
    wire.letGo()
    await Promise.all([cancelled, read])
    await lease.query('select 1')
  }
})

test('a stream of the driver that is left while it reads ahead does not fail its transaction', async () => {
  await using wire = await Wire.start()
  await using observer = await Observer.start()
  await using pool = pgPool(() => newPool({ connectionString: wire.url }), { grace: 60_000 })
  await using lease = await pool.acquire()
  const pid = await backendOf(lease)
  await using tx = await lease.begin()
  const client = await tx.asPool<pg.Pool>().connect()
  const key = newKey()
  await observer.query('select pg_advisory_lock($1)', [key])
  const text = `select n, pg_advisory_xact_lock(${key}) from generate_series(2, 3) as n`
  const stream = client.query(new QueryStream(`select 1 as n, null union all ${text}`, [], one))
  const rows = stream[Symbol.asyncIterator]()
  assert.equal((await rows.next()).value.n, 1)
  await observer.untilRunning(pid, 'FETCH')
  const left = rows.return?.()
  await observer.query('select pg_advisory_unlock($1)', [key])
  await left
  await tx.query('select 1')
  assert.equal(wire.cancels, 0)
})

test('the end of a cursor that waits for its read does not cancel what is sent behind that', async () => {
  await using observer = await Observer.start()
  await using pool = pgPool(() => newPool(), { grace: 1_000, inFlight: 'wait' })
  await using lease = await pool.acquire()
  const pid = await backendOf(lease)
  await using tx = await lease.begin()
  const key = newKey()
  await observer.query('select pg_advisory_lock($1)', [key])
  const cursor = tx.cursor(`select 1 as n, null union all select 2, pg_advisory_xact_lock(${key})`)
  await cursor.read(1)
  const reading = cursor.read(1).catch(() => {})
  await observer.untilRunning(pid, 'FETCH')
  const behind = tx.query('select pg_sleep(2)')
  const closing = cursor[Symbol.asyncDispose]()
  await observer.query('select pg_advisory_unlock($1)', [key])
  await Promise.all([reading, closing, behind])
  await tx.commit()
})

test('cursors that are disposed while they wait for a cancel and a statement before them keep nobody from the next one', async () => {
  await using pool = pgPool(() => newPool(), { grace: 60_000 })
  await using lease = await pool.acquire()
  const cancelled = assert.rejects(lease.query('select pg_sleep(60)'), { code: '57014' })
  const before = [lease.cancel(), cancelled, lease.query('select 1')]
  const given: Promise<void>[] = []
  for (let n = 0; n < 5; n += 1) {
    const cursor = lease.cursor(numbers)
    given.push(assert.rejects(cursor.read(1), { code: 'ERR_DISPOSED' }))
    await new Promise(setImmediate)
    await cursor[Symbol.asyncDispose]()
  }
  await using last = lease.cursor(numbers)
  const page = last.read(1)
  await Promise.all([...before, ...given])
  assert.deepEqual(await page, [{ n: 1 }])
})

test('a cursor whose connection is taken away before its COMMIT does not give its last rows as if it were done', async () => {
  await using wire = await Wire.start()
  await using pool = pgPool(() => newPool({ connectionString: wire.url, max: 2 }), { grace: 100 })
  {
    await using lease = await pool.acquire()
    const held = holdFetch(wire)
    const reading = assert.rejects(lease.cursor(numbers).read(9), {
      code: 'ERR_PG_CONNECTION_LOST',
    })
    await held
    // It has its turn before the COMMIT, and its request is not answered.
    wire.onCancel = 'keep'
    const cancelled = lease.cancel()
    await until(() => wire.keptCancels > 0, 'the cancel is on its way')
    wire.letGo()
    await Promise.all([reading, cancelled])
  }
  const lease = await pool.acquire()
  const held = holdFetch(wire)
  wire.onCancel = 'lose'
  const reading = assert.rejects(lease.cursor(numbers).read(9), { code: 'ERR_DISPOSED' })
  await held
  const released = lease[Symbol.asyncDispose]()
  wire.letGo()
  await Promise.all([reading, released])
})

/** Resolves when all rows are there, and their end is held back. */
function holdFetch(wire: Wire): Promise<void> {
  return new Promise((resolve) => {
    wire.holds = ({ type, bytes }) => {
      const holds = type === 'C' && bytes.includes('FETCH')
      if (holds) resolve()
      return holds
    }
  })
}
