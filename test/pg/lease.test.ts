/** A lease: one's own until it is released, and dead from then on. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import pg from 'pg'
import { pgPool, pgResources } from 'unwind/pg'

import { listen } from '../core/support/channels.ts'
import { backendOf, newPool, newTable, Observer } from './support/database.ts'

const disposed = { name: 'DisposedError', code: 'ERR_DISPOSED' }

test('query() takes text with values, or a config with a name and a row mode', async () => {
  await using pool = pgPool(() => newPool(), { grace: 60_000 })
  await using lease = await pool.acquire()

  const one = await lease.query<{ n: number }>('select $1::int as n', [1])
  assert.deepEqual(one.rows, [{ n: 1 }])
  assert.equal(one.command, 'SELECT')
  assert.equal(one.rowCount, 1)
  assert.equal(one.fields[0]?.name, 'n')

  const two = await lease.query({
    text: 'select $1::int as n',
    values: [2],
    name: 'two',
    rowMode: 'array',
  })
  assert.deepEqual(two.rows, [[2]])
})

test('a connection is released for the next holder, and the old handle never reaches it', async () => {
  await using pool = pgPool(() => newPool(), { grace: 60_000 })
  const stale = await pool.acquire()
  const pid = await backendOf(stale)
  await stale[Symbol.asyncDispose]()
  assert.equal(stale.disposed, true)

  await using table = await newTable()
  await using next = await pool.acquire()
  assert.equal(await backendOf(next), pid)
  await using tx = await next.begin()

  await assert.rejects(stale.query(`insert into ${table.name} values (1)`), disposed)
  await assert.rejects(stale.query('rollback'), disposed)
  await assert.rejects(stale.begin(), disposed)
  await assert.rejects(stale.cancel(), disposed)
  assert.throws(() => stale.markDirty(), disposed)
  assert.throws(() => stale.unsafeClient(), disposed)
  assert.equal(tx.state, 'open')
  await tx.commit()
  assert.deepEqual(await table.values(), [])
})

test('a transaction of a released lease is as dead as the lease', async () => {
  await using pool = pgPool(() => newPool(), { grace: 60_000 })
  const stale = await pool.acquire()
  const staleTx = await stale.begin()
  const staleSavepoint = await staleTx.savepoint()
  await stale[Symbol.asyncDispose]()

  await using next = await pool.acquire()
  await using tx = await next.begin()
  for (const handle of [staleTx, staleSavepoint]) {
    await assert.rejects(handle.query('select 1'), disposed)
    await assert.rejects(handle.commit(), disposed)
    await assert.rejects(handle.savepoint(), disposed)
    assert.throws(() => handle.afterCommit(() => {}), disposed)
    await handle[Symbol.asyncDispose]()
  }
  assert.equal(tx.state, 'open')
})

test("a second release does not release the next holder's connection", async () => {
  await using pool = pgPool(() => newPool(), { grace: 60_000 })
  const first = await pool.acquire()
  await first[Symbol.asyncDispose]()
  await using second = await pool.acquire()
  await first[Symbol.asyncDispose]()

  let served = false
  const third = pool.acquire().then((lease) => {
    served = true
    return lease
  })
  await second.query('select 1')
  assert.equal(served, false)
  assert.equal(second.disposed, false)
  await second[Symbol.asyncDispose]()
  await using _third = await third
})

test('statements on one connection run one after another, in the order of the calls', async (t) => {
  const warnings: Error[] = []
  const listener = (warning: Error): number => warnings.push(warning)
  process.on('warning', listener)
  t.after(() => process.off('warning', listener))
  await using pool = pgPool(() => newPool(), { grace: 60_000 })
  await using lease = await pool.acquire()

  const order: number[] = []
  const statements = [3, 1, 0, 2].map(async (n) => {
    await lease.query(`select pg_sleep(${n / 100})`)
    order.push(n)
  })
  const failing = assert.rejects(lease.query('select 1/0'), { code: '22012' })
  const after = lease.query('select 1 as n')
  await Promise.all(statements)
  await failing
  assert.deepEqual((await after).rows, [{ n: 1 }])
  assert.deepEqual(order, [3, 1, 0, 2])
  await new Promise(setImmediate)
  assert.deepEqual(warnings, [], 'the driver was given one statement at a time')
})

test("a failing statement rejects with the server's error and a stack that leads to the caller", async () => {
  await using pool = pgPool(() => newPool(), { grace: 60_000 })
  await using lease = await pool.acquire()
  const pid = await backendOf(lease)

  await assert.rejects(askForTheImpossible(), (error: Error & { code?: string }) => {
    assert.equal(error.code, '22012')
    assert.match(error.stack ?? '', /askForTheImpossible/)
    return true
  })
  assert.equal(await backendOf(lease), pid, 'an error of a statement costs no connection')

  async function askForTheImpossible(): Promise<void> {
    await lease.query('select 1/0')
  }
})

test('values that cannot be converted fail their own statement only', async () => {
  await using pool = pgPool(() => newPool(), { grace: 60_000 })
  await using lease = await pool.acquire()
  const bad = {
    toPostgres() {
      throw new Error('not convertible')
    },
  }
  await assert.rejects(lease.query('select $1', [bad]), /not convertible/)
  assert.deepEqual((await lease.query('select 1 as n')).rows, [{ n: 1 }])
  await lease[Symbol.asyncDispose]()
  await pool.query('select 1')
})

test('what is no statement, and an unknown option, is a TypeError that names it', async () => {
  await using pool = pgPool(() => newPool(), { grace: 60_000 })
  await using lease = await pool.acquire()
  // What JavaScript can pass.
  const query = lease.query.bind(lease) as (...parameters: unknown[]) => Promise<unknown>
  const begin = lease.begin.bind(lease) as (options: unknown) => Promise<unknown>

  await assert.rejects(query(undefined), { name: 'TypeError', message: /query\(\).*undefined/ })
  await assert.rejects(query({ submit() {}, text: '' }), {
    name: 'TypeError',
    message: /unsafeClient/,
  })
  await assert.rejects(query('select 1', 7), { name: 'TypeError', message: /array/ })
  // The driver would throw with half of it sent, and never use the connection again.
  await assert.rejects(query({ text: 'select 1', name: 7 }), {
    name: 'TypeError',
    message: /`name` of the statement given to query\(\) to be a string, received 7/,
  })
  await assert.rejects(query('select 1', [], { timeout: 1 }), {
    name: 'TypeError',
    message: /`timeout`.*query\(\)/,
  })
  await assert.rejects(begin({ isolation: 'serialisable' }), {
    name: 'TypeError',
    message: /`isolation`/,
  })
  await assert.rejects(begin({ isolationLevel: 'serializable' }), {
    name: 'TypeError',
    message: /`isolationLevel`/,
  })
  assert.throws(() => pgPool(() => newPool(), { grace: -1 }), /`grace` of pgPool\(\)/)
  assert.throws(() => pgPool({} as never), /pool/)
  assert.throws(() => pgPool(pg.Pool as never), /function that makes one, \(\) => new Pool/)
  assert.throws(() => pgPool(() => ({}) as never), /what the function given to pgPool\(\) made/)
  for (const given of [undefined, 'postgres://localhost', {}, pg.Pool]) {
    assert.throws(() => pgResources(given as never), /the pool given to pgResources\(\)/)
  }
  const wrong = { transaction: { isolationLevel: 'serializable' } }
  assert.throws(
    () => pgResources(newPool, wrong as never),
    /`isolationLevel` of the `transaction` given to pgResources\(\)/,
  )
  assert.throws(() => pgPool(new pg.Client()), { name: 'TypeError', message: /a pool of node-pos/ })
})

test('an aborted statement is cancelled on the server and rejects with the reason', async () => {
  await using observer = await Observer.start()
  await using pool = pgPool(() => newPool(), { grace: 60_000 })
  await using lease = await pool.acquire()
  const pid = await backendOf(lease)
  const controller = new AbortController()
  const reason = new Error('enough')

  const sleeping = lease.query('select pg_sleep(60)', [], { signal: controller.signal })
  await observer.untilRunning(pid, 'pg_sleep')
  controller.abort(reason)
  await assert.rejects(sleeping, (error) => error === reason)
  assert.equal(await backendOf(lease), pid)
})

test('a statement whose signal aborted before it was sent never reaches the server', async () => {
  await using table = await newTable()
  await using pool = pgPool(() => newPool(), { grace: 60_000 })
  await using lease = await pool.acquire()
  const reason = new Error('enough')
  const insert = `insert into ${table.name} values (1)`

  await assert.rejects(
    lease.query(insert, [], { signal: AbortSignal.abort(reason) }),
    (error) => error === reason,
  )
  const controller = new AbortController()
  const first = lease.query('select pg_sleep(0.05)')
  const queued = lease.query(insert, [], { signal: controller.signal })
  controller.abort(reason)
  await assert.rejects(queued, (error) => error === reason)
  await first
  assert.deepEqual(await table.values(), [])
})

test('cancel() ends what runs, refuses what waits, and resolves when the connection is quiet', async () => {
  await using observer = await Observer.start()
  await using pool = pgPool(() => newPool(), { grace: 60_000 })
  await using lease = await pool.acquire()
  const pid = await backendOf(lease)

  const running = assert.rejects(lease.query('select pg_sleep(60)'), { code: '57014' })
  const waiting = assert.rejects(lease.query('select 1'), { name: 'AbortError' })
  await observer.untilRunning(pid, 'pg_sleep')
  await lease.cancel()
  await Promise.all([running, waiting])
  assert.equal(await backendOf(lease), pid)
  await lease.cancel()
})

test('a statement that nobody waits for is no unhandled rejection when the release ends it', async (t) => {
  const unhandled: unknown[] = []
  const listener = (reason: unknown): number => unhandled.push(reason)
  process.on('unhandledRejection', listener)
  t.after(() => process.off('unhandledRejection', listener))
  await using pool = pgPool(() => newPool(), { grace: 60_000 })
  const lease = await pool.acquire()
  void lease.query('select pg_sleep(60)')
  void lease.query('select 1')
  await lease[Symbol.asyncDispose]()
  await new Promise(setImmediate)
  assert.deepEqual(unhandled, [])
})

test('whoever waits for a statement that the release ended finds the reason as its cause', async () => {
  await using pool = pgPool(() => newPool(), { grace: 60_000 })
  const lease = await pool.acquire()
  const running = lease.query('select pg_sleep(60)')
  const waiting = lease.query('select 1')
  await Promise.all([
    assert.rejects(running, (error: Error & { code?: string }) => {
      assert.equal(error.code, '57014')
      assert.equal((error.cause as { code?: string }).code, 'ERR_DISPOSED')
      return true
    }),
    assert.rejects(waiting, disposed),
    lease[Symbol.asyncDispose](),
  ])
})

test('a BEGIN that waits for its turn when its lease is released is told to have been given back once', async (t) => {
  await using pool = pgPool(() => newPool(), { grace: 60_000 })
  const lease = await pool.acquire()
  const running = lease.query('select pg_sleep(60)')
  const begun = lease.begin()
  const published = listen(t, 'unwind:resource:released')
  await Promise.all([
    assert.rejects(running, { code: '57014' }),
    assert.rejects(begun, disposed),
    lease[Symbol.asyncDispose](),
  ])
  const released = published.map(([, message]) => 'resource' in message && message.resource)
  assert.deepEqual(released, ['pg.lease', 'pg.transaction'])
})

test('a statement on a connection that broke is refused with what broke it', async () => {
  await using observer = await Observer.start()
  await using pool = pgPool(() => newPool(), { grace: 60_000 })
  await using lease = await pool.acquire()
  const pid = await backendOf(lease)
  await assert.rejects(Promise.all([lease.query('select pg_sleep(60)'), observer.terminate(pid)]), {
    code: '57P01',
  })
  await assert.rejects(lease.query('select 1'), (error: Error & { code?: string }) => {
    assert.equal(error.code, 'ERR_PG_CONNECTION_LOST')
    assert(error.cause instanceof Error)
    return true
  })
})
