/** Cancelling: it ends the statement that it was meant for and never the next, over every kind of socket. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import { pgPool, type PgLease, type PgPool } from 'unwind/pg'

import { Wire } from '../support/chaos-proxy.ts'
import { startPostgres } from '../support/postgres.ts'
import { cert, key } from './support/certificate.ts'
import { backendOf, databaseUrl, deferred, newPool, Observer, until } from './support/database.ts'

/** How often a statement is cancelled while it may just end by itself, in all. */
const iterations = 400
/** Milliseconds after which a loop is long enough, on a machine that is busy with other things. */
const longEnough = 20_000

test('a cancel never reaches the statement after the one that it was meant for', async () => {
  await using pool = pgPool(() => newPool(), { grace: 60_000 })
  await using lease = await pool.acquire()
  const seen = await cancelAgainAndAgain(lease, iterations)
  assert.ok(seen.cancelled > 0, 'some were cancelled')
  assert.ok(seen.finished > 0, 'some had ended by themselves')
  assert.equal(await backendOf(lease), seen.pid)
})

test('without waiting for the cancel to be over, the next statement is what it cancels', async () => {
  await using wire = await Wire.start()
  await using observer = await Observer.start()
  const client = new pg.Client(wire.url)
  await client.connect()
  try {
    const pid = await backendOf(client)
    wire.onCancel = 'keep'
    const first = client.query('select pg_sleep(0.05)')
    await requestPlainly(client, wire)
    await first
    const second = assert.rejects(client.query('select pg_sleep(60)'), { code: '57014' })
    await observer.untilRunning(pid, 'pg_sleep(60)')
    wire.letCancelsGo()
    await second
  } finally {
    await client.end()
  }
})

test('nothing is sent while a cancel may still be on its way', async () => {
  await using wire = await Wire.start()
  await using pool = pgPool(() => newPool({ connectionString: wire.url }), { grace: 60_000 })
  await using lease = await pool.acquire()
  const pid = await backendOf(lease)
  const controller = new AbortController()
  const reason = new Error('enough')

  wire.onCancel = 'keep'
  const finished = deferred()
  wire.holds = ({ type }) => {
    if (type === 'Z') finished.resolve()
    return false
  }
  const sent: string[] = []
  wire.onClientMessage = ({ bytes }) => void sent.push(String(bytes))
  const first = lease.query('select pg_sleep(0.02)', [], { signal: controller.signal })
  controller.abort(reason)
  const next = lease.query('select 2 as two')
  await finished.promise
  await until(() => wire.keptCancels > 0, 'the cancel is on its way')
  await new Promise(setImmediate)
  assert.equal(sent.length, 1, 'although the first statement has ended')
  wire.letCancelsGo()
  await assert.rejects(first, (error) => error === reason)
  assert.deepEqual((await next).rows, [{ two: 2 }])
  assert.equal(await backendOf(lease), pid)
})

test('a cancel that is lost is repeated', async () => {
  await using wire = await Wire.start()
  await using observer = await Observer.start()
  await using pool = pgPool(() => newPool({ connectionString: wire.url }), { grace: 60_000 })
  const lease = await pool.acquire()
  const pid = await backendOf(lease)
  const statement = assert.rejects(lease.query('select pg_sleep(60)'), { code: '57014' })
  await observer.untilRunning(pid, 'pg_sleep')
  wire.onCancel = 'lose'
  const released = lease[Symbol.asyncDispose]()
  await until(() => wire.cancels >= 2, 'the cancel is repeated')
  wire.onCancel = 'forward'
  await Promise.all([released, statement])
  await using next = await pool.acquire()
  assert.equal(await backendOf(next), pid)
})

test('a statement that cannot be reached by a cancel ends with its connection, after the grace', async () => {
  await using wire = await Wire.start()
  await using observer = await Observer.start()
  await using pool = pgPool(() => newPool({ connectionString: wire.url }), { grace: 150 })
  await using lease = await pool.acquire()
  const pid = await backendOf(lease)
  const controller = new AbortController()
  const reason = new Error('enough')
  const statement = lease.query('select pg_sleep(2)', [], { signal: controller.signal })
  await observer.untilRunning(pid, 'pg_sleep')
  wire.onCancel = 'lose'
  controller.abort(reason)
  await assert.rejects(statement, (error) => error === reason)
  await assert.rejects(lease.query('select 1'), { code: 'ERR_PG_CONNECTION_LOST' })
})

test('a statement that catches its cancel ends with its connection, and nobody waits for longer than the grace', async () => {
  await using observer = await Observer.start()
  await using pool = pgPool(() => newPool(), { grace: 150 })
  await using lease = await pool.acquire()
  const pid = await backendOf(lease)
  const stubborn = assert.rejects(
    lease.query(`do $$ begin
      for i in 1..100 loop
        begin perform pg_sleep(0.05); exception when query_canceled then null; end;
      end loop;
    end $$`),
  )
  await observer.untilSleeping(pid)
  await lease.cancel()
  await stubborn
  await assert.rejects(lease.query('select 1'), { code: 'ERR_PG_CONNECTION_LOST' })
  await lease[Symbol.asyncDispose]()
  assert.deepEqual((await pool.query('select 1 as one')).rows, [{ one: 1 }])
  await observer.terminate(pid)
})

test('cancel() also ends a COMMIT that takes long, and what it leaves is rolled back', async () => {
  await using observer = await Observer.start()
  await using pool = pgPool(() => newPool(), { grace: 60_000 })
  await using lease = await pool.acquire()
  const pid = await backendOf(lease)
  await using tx = await lease.begin()
  await tx.query(`create temp table slow (v int);
    create function pg_temp.wait() returns trigger language plpgsql as
      $$ begin perform pg_sleep(60); return null; end $$;
    create constraint trigger wait after insert on slow
      deferrable initially deferred for each row execute function pg_temp.wait();
    insert into slow values (1)`)
  const commit = assert.rejects(tx.commit(), { code: '57014' })
  await observer.untilRunning(pid, 'COMMIT')
  await lease.cancel()
  await commit
  assert.equal(tx.state, 'rolled back')
  assert.deepEqual((await lease.query("select to_regclass('slow') as t")).rows, [{ t: null }])
})

test('cancel() of a COMMIT that still waits rolls the transaction back', async () => {
  await using observer = await Observer.start()
  await using pool = pgPool(() => newPool(), { grace: 60_000 })
  await using lease = await pool.acquire()
  const pid = await backendOf(lease)
  await using tx = await lease.begin()
  await tx.query('create temp table gone (v int)')
  const running = assert.rejects(tx.query('select pg_sleep(60)'), { code: '57014' })
  const commit = assert.rejects(tx.commit(), { name: 'AbortError' })
  await observer.untilRunning(pid, 'pg_sleep')
  await lease.cancel()
  await Promise.all([running, commit])
  assert.equal(tx.state, 'rolled back')
  assert.deepEqual((await lease.query("select to_regclass('gone') as t")).rows, [{ t: null }])
  await using _next = await lease.begin()
})

test('a cancel needs no place in the pool, and works over TCP, TLS and a unix socket', async () => {
  await using server = await startPostgres({ tls: { cert, key } })
  const { host, port, socketDirectory } = server
  const ways: Record<string, pg.PoolConfig> = {
    TCP: { host, port },
    'TLS with a certificate that is not checked': {
      host,
      port,
      ssl: { rejectUnauthorized: false },
    },
    'TLS with a certificate that is checked': { host: 'localhost', port, ssl: { ca: cert } },
    'a unix socket': { host: socketDirectory, port },
  }
  for (const [way, config] of Object.entries(ways)) {
    const raw = new pg.Pool({ user: 'postgres', database: 'postgres', max: 1, ...config })
    await using pool = pgPool(() => raw, { grace: 60_000 })
    await cancelOver(way, pool)
  }
})

async function cancelOver(way: string, pool: PgPool): Promise<void> {
  await using lease = await pool.acquire()
  const pid = await backendOf(lease)
  if (way.startsWith('TLS')) {
    const { rows } = await lease.query('select ssl from pg_stat_ssl where pid = $1', [pid])
    assert.deepEqual(rows, [{ ssl: true }], way)
  }
  const controller = new AbortController()
  const endless = lease.query('select pg_sleep(60)', [], { signal: controller.signal })
  await pause(5)
  controller.abort(new Error(way))
  await assert.rejects(endless, { message: way })
  const seen = await cancelAgainAndAgain(lease, 20)
  assert.equal(seen.pid, pid, way)
}

/** Abort at any moment of a short statement, its end included, and see whether the next one suffers. */
async function cancelAgainAndAgain(
  lease: PgLease,
  times: number,
): Promise<{ pid: number; cancelled: number; finished: number }> {
  const pid = await backendOf(lease)
  const until = performance.now() + longEnough
  const seen = { pid, cancelled: 0, finished: 0 }
  for (let time = 0; time < times && performance.now() < until; time += 1) {
    const controller = new AbortController()
    const reason = new Error('enough')
    const statement = lease.query(`select pg_sleep(${Math.random() / 300})`, [], {
      signal: controller.signal,
    })
    const next = statement.catch(() => {}).then(() => lease.query('select 1 as one'))
    const delay = pause(Math.random() * 4)
    await Promise.race([delay, statement])
    controller.abort(reason)
    await statement.then(
      () => (seen.finished += 1),
      (error: unknown) => {
        assert.equal(error, reason)
        seen.cancelled += 1
      },
    )
    assert.deepEqual((await next).rows, [{ one: 1 }])
  }
  return seen
}

/** As one would write it by hand: the driver's own way, which tells nothing of its end. */
async function requestPlainly(client: pg.Client, wire: Wire): Promise<void> {
  const { processID, secretKey } = client as unknown as { processID: number; secretKey: number }
  const messenger = new pg.Connection({ ssl: false }) as unknown as {
    connect(port: number, host: string): void
    cancel(processID: number, secretKey: number): void
    on(event: string, listener: () => void): void
  }
  const { hostname, port } = new URL(wire.url)
  assert.ok(databaseUrl())
  messenger.on('error', () => {})
  messenger.on('connect', () => messenger.cancel(processID, secretKey))
  messenger.connect(Number(port), hostname)
  await until(() => wire.keptCancels > 0, 'the cancel is on its way')
}
