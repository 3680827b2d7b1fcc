/** Who stands between a lease and the server, and answers late, or refuses what it is given by itself. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import pg from 'pg'
import { pgPool, type PgPool } from 'unwind/pg'

import { newPool } from './support/database.ts'

type Callback = (error: Error | null, result?: unknown) => void
type Query = (text: unknown, values: unknown, callback: Callback) => unknown

/** A pool of clients whose `query` is what `around` makes of the driver's. */
function poolOf(around: (driver: Query) => Query): PgPool & AsyncDisposable {
  class Client extends pg.Client {
    override query(...args: unknown[]): never {
      const driver = super.query.bind(this) as unknown as Query
      return around(driver)(...(args as Parameters<Query>)) as never
    }
  }
  return pgPool(() => newPool({ Client }), { grace: 60_000 })
}

const refused = new Error('Refused.')

const refusals: Readonly<Record<string, (callback: Callback) => unknown>> = {
  'by throwing': () => {
    throw refused
  },
  'by calling back': (callback) => callback(refused),
  'by calling back later': (callback) => process.nextTick(callback, refused),
}

for (const [how, refuse] of Object.entries(refusals)) {
  test(`what a client refuses ${how} fails alone: what waits behind it is sent`, async () => {
    await using pool = poolOf(
      (driver) => (text, values, callback) =>
        text === 'refuse' ? refuse(callback) : driver(text, values, callback),
    )
    const lease = await pool.acquire()
    const failing = assert.rejects(lease.query('select 1 / 0'), { code: '22012' })
    const refusing = assert.rejects(lease.query('refuse'), (error) => error === refused)
    assert.deepEqual((await lease.query('select 1 as one')).rows, [{ one: 1 }])
    await Promise.all([failing, refusing])
    const again = assert.rejects(lease.query('refuse'), (error) => error === refused)
    await lease[Symbol.asyncDispose]()
    await again
    await using next = await pool.acquire()
    assert.deepEqual((await next.query('select 2 as two')).rows, [{ two: 2 }])
  })
}

/** As who awaits the driver's promise, and something else besides. */
const late = (driver: Query): Query =>
  function query(text, values, callback) {
    return driver(text, values, (error, result) => setImmediate(callback, error, result))
  }

test('a client that answers late keeps nothing from being sent, and nothing is sent for the next holder', async () => {
  await using pool = poolOf(late)
  const lease = await pool.acquire()
  const failing = assert.rejects(lease.query('select 1 / 0'), { code: '22012' })
  assert.deepEqual((await lease.query('select 1 as one')).rows, [{ one: 1 }])
  await failing
  const running = lease.query("set application_name = 'changed'")
  const cursor = lease.cursor<{ two: number }>('select 2 as two')
  assert.deepEqual(await cursor.read(3), [{ two: 2 }])
  await running
  const setting = lease.query("set application_name = 'left'")
  await lease[Symbol.asyncDispose]()
  await setting.catch(() => {})
  await using next = await pool.acquire()
  const { rows } = await next.query("select current_setting('application_name') as name")
  assert.match(rows[0].name, /^unwind/)
})

test('a pipelined driver that refuses a statement keeps nothing from being sent behind it', async () => {
  await using pool = pgPool(() => newPool({ pipeline: true }), { grace: 60_000 })
  await using lease = await pool.acquire()
  await lease.query({ name: 'same', text: 'select 1' })
  const unique = { message: /must be unique/ }
  const first = assert.rejects(lease.query({ name: 'same', text: 'select 2' }), unique)
  assert.deepEqual((await lease.query('select 3 as three')).rows, [{ three: 3 }])
  await first
  const second = assert.rejects(lease.query({ name: 'same', text: 'select 4' }), unique)
  assert.deepEqual(await lease.cursor('select 5 as five').read(9), [{ five: 5 }])
  await second
})

test('an error that nobody may change any more is passed on as it is', async () => {
  await using pool = poolOf(
    (driver) => (text, values, callback) =>
      driver(text, values, (error, result) => callback(error && Object.freeze(error), result)),
  )
  const lease = await pool.acquire()
  await assert.rejects(lease.query('select 1 / 0'), { code: '22012' })
  // The status after the error may be still to come: what waits for that is refused, and not cancelled.
  await lease.query('select 1')
  const ended = assert.rejects(lease.query('select pg_sleep(60)'), { code: '57014' })
  await lease[Symbol.asyncDispose]()
  await ended
})

test('a value that refuses to be converted with nothing at all fails its statement', async () => {
  await using pool = pgPool(() => newPool(), { grace: 60_000 })
  await using lease = await pool.acquire()
  for (const thrown of [undefined, null, 0]) {
    const toPostgres = (): never => {
      // oxlint-disable-next-line typescript/only-throw-error -- that is the point
      throw thrown
    }
    const query = lease.query('select $1::text', [{ toPostgres }])
    await assert.rejects(query, (error) => error === thrown)
    assert.deepEqual((await lease.query('select 1 as one')).rows, [{ one: 1 }])
  }
})
