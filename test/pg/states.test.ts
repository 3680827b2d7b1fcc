/**
 * Release in every state: the connection comes back as the next holder must find it, on the same backend where that is
 * possible, and is destroyed where it is not. Disposed once, twice, or twice at the same time.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type pg from 'pg'
import Cursor from 'pg-cursor'
import { pgPool, type PgLease, type PgPool, type PgPoolOptions } from 'unwind/pg'

import { backendOf, deferred, newPool, Observer } from './support/database.ts'
import { Wire } from './support/proxy.ts'

interface State {
  readonly title: string
  readonly outcome: 'kept' | 'destroyed'
  readonly options?: PgPoolOptions
  /** Of the driver's pool. */
  readonly config?: pg.PoolConfig
  enter(lease: PgLease, observer: Observer, wire: Wire): Promise<unknown>
}

/** Milliseconds: what is kept is given all the time that a busy machine may take, and what is destroyed is waited for. */
const grace = { kept: 10_000, destroyed: 100 }

/** The driver takes it for prepared as long as the connection lives. */
const named = { name: 'survivor', text: 'select 1 as one' }

const states: State[] = [
  {
    title: 'idle',
    outcome: 'kept',
    enter: (lease) => lease.query('select 1'),
  },
  {
    title: 'unused',
    outcome: 'kept',
    enter: async () => {},
  },
  {
    title: 'with changed settings',
    outcome: 'kept',
    enter: (lease) => lease.query("set statement_timeout = '7s'"),
  },
  {
    title: 'with a role, a lock, a channel, a cursor and a table of its own left behind',
    outcome: 'kept',
    async enter(lease) {
      await lease.query('set role pg_monitor')
      await lease.query('reset role; select pg_advisory_lock(7); listen leftovers')
      await lease.query('begin; declare leftover cursor with hold for select 1; commit')
      await lease.query('create temp table leftover (v int)')
      await lease.query('set role pg_monitor')
    },
  },
  {
    title: 'with statements pipelined by the driver',
    outcome: 'kept',
    config: { pipeline: true },
    async enter(lease, observer) {
      const pid = await backendOf(lease)
      const client = lease.unsafeClient() as pg.ClientBase
      for (const _n of [1, 2]) client.query('select pg_sleep(60)').catch(() => {})
      await observer.untilRunning(pid, 'pg_sleep')
    },
  },
  {
    title: 'in an open transaction of the pipelining driver, with a statement in flight',
    outcome: 'kept',
    config: { pipeline: true },
    async enter(lease) {
      const tx = await lease.begin()
      void tx.query('select pg_sleep(60)')
      void tx.query('select 1')
    },
  },
  {
    title: 'with a COMMIT on its way',
    outcome: 'kept',
    async enter(lease) {
      const tx = await lease.begin()
      void tx.commit().catch(() => {})
    },
  },
  {
    title: 'with a ROLLBACK on its way',
    outcome: 'kept',
    async enter(lease) {
      const tx = await lease.begin()
      await tx.query('create temp table leftover (v int)')
      void tx.rollback()
    },
  },
  {
    title: 'with the end of a failed statement still to come',
    outcome: 'kept',
    async enter(lease, _observer, wire) {
      const tx = await lease.begin()
      wire.holds = ({ type }) => type === 'Z'
      await assert.rejects(tx.query('select 1/0'), { code: '22012' })
      setTimeout(() => wire.letGo(), 20)
    },
  },
  {
    title: 'in an open transaction, when the server fell silent',
    outcome: 'destroyed',
    async enter(lease, _observer, wire) {
      await lease.begin()
      wire.freeze()
    },
  },
  {
    title: 'with a statement in flight, when the server fell silent',
    outcome: 'destroyed',
    async enter(lease, observer, wire) {
      const pid = await backendOf(lease)
      lease.query('select pg_sleep(60)').catch(() => {})
      await observer.untilRunning(pid, 'pg_sleep')
      wire.freeze()
      wire.onCancel = 'lose'
    },
  },
  {
    title: 'with a COMMIT on its way, when the server fell silent',
    outcome: 'destroyed',
    async enter(lease, _observer, wire) {
      const tx = await lease.begin()
      wire.freeze()
      void assert.rejects(tx.commit(), { code: 'ERR_PG_COMMIT_UNKNOWN' })
    },
  },
  {
    title: 'with a BEGIN on its way, when the server fell silent',
    outcome: 'destroyed',
    async enter(lease, _observer, wire) {
      wire.freeze()
      lease.begin().catch(() => {})
    },
  },
  {
    title: 'when its settings were changed and the server fell silent',
    outcome: 'destroyed',
    async enter(lease, _observer, wire) {
      await lease.query("set statement_timeout = '7s'")
      wire.freeze()
    },
  },
  {
    title: 'reset by the network',
    outcome: 'destroyed',
    async enter(lease, _observer, wire) {
      const tx = await lease.begin()
      const broken = assert.rejects(tx.query('select pg_sleep(60)'))
      wire.cut('reset')
      await broken
    },
  },
  {
    title: 'broken while nothing ran on it',
    outcome: 'destroyed',
    async enter(lease, observer) {
      const pid = await backendOf(lease)
      const client = lease.unsafeClient() as pg.ClientBase
      const noticed = new Promise((resolve) => client.once('end', resolve))
      await observer.terminate(pid)
      await noticed
    },
  },
  {
    title: 'in an open transaction',
    outcome: 'kept',
    async enter(lease) {
      const tx = await lease.begin()
      await tx.query('create temp table leftover (v int)')
    },
  },
  {
    title: 'in an open transaction that nobody began here',
    outcome: 'kept',
    async enter(lease) {
      await lease.query('begin')
      await lease.query("set statement_timeout = '7s'")
    },
  },
  {
    title: 'in an open transaction with an open savepoint',
    outcome: 'kept',
    async enter(lease) {
      const tx = await lease.begin()
      const savepoint = await tx.savepoint()
      await savepoint.query('select 1')
    },
  },
  {
    title: 'in a failed transaction',
    outcome: 'kept',
    async enter(lease) {
      const tx = await lease.begin()
      await assert.rejects(tx.query('select 1/0'))
    },
  },
  {
    title: 'after a failed statement outside of transactions',
    outcome: 'kept',
    enter: (lease) => assert.rejects(lease.query('select 1/0')),
  },
  {
    title: 'with a BEGIN on its way',
    outcome: 'kept',
    async enter(lease) {
      void lease.begin().catch(() => {})
    },
  },
  {
    title: 'with a statement just sent',
    outcome: 'kept',
    async enter(lease) {
      void lease.query('select pg_sleep(60)')
    },
  },
  {
    title: 'with a statement in flight',
    outcome: 'kept',
    async enter(lease, observer) {
      const pid = await backendOf(lease)
      void lease.query('select pg_sleep(60)')
      await observer.untilRunning(pid, 'pg_sleep')
    },
  },
  {
    title: 'with a statement in flight in a transaction, and others behind it',
    outcome: 'kept',
    async enter(lease, observer) {
      const pid = await backendOf(lease)
      const tx = await lease.begin()
      void tx.query('select pg_sleep(60)')
      void tx.query('select 1')
      void lease.query('select 2')
      await observer.untilRunning(pid, 'pg_sleep')
    },
  },
  {
    title: 'with a statement that is given the time to finish',
    outcome: 'kept',
    options: { inFlight: 'wait' },
    async enter(lease) {
      void lease.query('select pg_sleep(0.05)')
    },
  },
  {
    title: 'with a statement that needs more than that time',
    outcome: 'kept',
    // As long for the wait as for the cancel after it.
    options: { inFlight: 'wait', grace: 2_500 },
    async enter(lease) {
      void lease.query('select pg_sleep(60)')
    },
  },
  {
    title: 'with a statement in flight that is not to be cancelled',
    outcome: 'destroyed',
    options: { inFlight: 'destroy' },
    async enter(lease) {
      void lease.query('select pg_sleep(1)')
    },
  },
  {
    title: 'with a statement that cannot be cancelled',
    outcome: 'destroyed',
    async enter(lease, observer) {
      const pid = await backendOf(lease)
      void lease.query(`do $$ begin
        for i in 1..40 loop
          begin perform pg_sleep(0.05); exception when query_canceled then null; end;
        end loop;
      end $$`)
      await observer.untilSleeping(pid)
    },
  },
  {
    title: 'broken',
    outcome: 'destroyed',
    async enter(lease, observer) {
      const pid = await backendOf(lease)
      const broken = assert.rejects(lease.query('select pg_sleep(60)'), { code: '57P01' })
      await observer.terminate(pid)
      await broken
    },
  },
  {
    title: 'broken in an open transaction',
    outcome: 'destroyed',
    async enter(lease, observer) {
      const pid = await backendOf(lease)
      await lease.begin()
      await observer.terminate(pid)
    },
  },
  {
    title: 'when its reset fails',
    outcome: 'destroyed',
    options: { reset: { sql: 'select 1/0', when: 'always' } },
    enter: (lease) => lease.query('select 1'),
  },
  {
    title: 'when its reset takes too long',
    outcome: 'destroyed',
    options: { reset: { sql: 'select pg_sleep(60)', when: 'always' } },
    enter: (lease) => lease.query('select 1'),
  },
  {
    title: 'when the driver was used directly and nothing resets it',
    outcome: 'destroyed',
    options: { reset: 'never' },
    async enter(lease) {
      const client = lease.unsafeClient() as PgLease
      await client.query('select 1')
    },
  },
  {
    title:
      'when the driver was used directly and left in a transaction, with a statement in flight',
    outcome: 'kept',
    async enter(lease) {
      const client = lease.unsafeClient() as PgLease
      await client.query('begin')
      client.query('select pg_sleep(60)').catch(() => {})
    },
  },
]

type Way = (lease: AsyncDisposable) => Promise<unknown>

const ways: Record<string, Way> = {
  async once(lease) {
    await lease[Symbol.asyncDispose]()
  },
  async twice(lease) {
    await lease[Symbol.asyncDispose]()
    await lease[Symbol.asyncDispose]()
  },
  'twice at the same time': (lease) =>
    Promise.all([lease[Symbol.asyncDispose](), lease[Symbol.asyncDispose]()]),
}

function testRelease(state: State, way: string, dispose: Way): void {
  test(`a connection that is released ${state.title}, ${way}, is ${state.outcome}`, async () => {
    await using observer = await Observer.start()
    await using wire = await Wire.start()
    const config = { connectionString: wire.url, ...state.config }
    await using pool = pgPool(() => newPool(config), {
      grace: grace[state.outcome],
      ...state.options,
    })
    const lease = await pool.acquire()
    const pid = await backendOf(lease)
    await lease.query(named)
    await state.enter(lease, observer, wire)

    const waiting = pool.acquire()
    await dispose(lease)
    assert.equal(lease.disposed, true)
    await assert.rejects(lease.query('select 1'), { code: 'ERR_DISPOSED' })
    assert.ok(pool.stats().leased <= 1, 'nobody but the one who waits')
    await using next = await waiting
    assert.equal((await backendOf(next)) === pid, state.outcome === 'kept')
    await assertClean(next)
    // A server to which nothing came through still works on its last statement.
    if (state.outcome === 'destroyed') await observer.terminate(pid)
  })
}

function testReleases(chosen: readonly State[]): void {
  for (const state of chosen) {
    for (const [way, dispose] of Object.entries(ways)) testRelease(state, way, dispose)
  }
}

const waits = ({ options }: State): boolean => options?.grace !== undefined
testReleases(states.filter((state) => !waits(state)))
describe('after the whole grace', { concurrency: true }, () => testReleases(states.filter(waits)))

test('a release waits for the status after a failed statement, and does not cancel for it', async () => {
  await using wire = await Wire.start()
  await using pool = wirePool(wire)
  const lease = await pool.acquire()
  const pid = await backendOf(lease)
  const tx = await lease.begin()
  wire.holds = ({ type }) => type === 'Z'
  await assert.rejects(tx.query('select 1/0'), { code: '22012' })
  assert.equal(tx.state, 'failed', 'although the server has not said so yet')

  const released = lease[Symbol.asyncDispose]()
  let settled = false
  void released.then(() => (settled = true))
  await new Promise(setImmediate)
  assert.equal(settled, false)
  wire.letGo()
  await released
  assert.equal(wire.cancels, 0)
  await using next = await pool.acquire()
  assert.equal(await backendOf(next), pid)
  await assertClean(next)
})

test("what the driver's own client left open costs one grace, and no more", async () => {
  const opens: ((client: pg.ClientBase) => Promise<unknown>)[] = [
    (client) => client.query(new Cursor('select * from generate_series(1, 1000)')).read(10),
    async (client) => {
      client.query('create temp table copied (v int)').catch(() => {})
      client.query('copy copied from stdin').catch(() => {})
      client.query('select 1').catch(() => {})
    },
  ]
  for (const open of opens) {
    await using pool = pgPool(() => newPool(), { grace: 1_000 })
    const lease = await pool.acquire()
    await open(lease.unsafeClient() as pg.ClientBase)
    const before = performance.now()
    await lease[Symbol.asyncDispose]()
    assert.ok(performance.now() - before < 1_900)
    await pool.query('select 1')
  }
})

test('a broken connection does not make its release fail', async () => {
  await using wire = await Wire.start()
  await using pool = wirePool(wire)
  const lease = await pool.acquire()
  await using tx = await lease.begin()
  const statement = assert.rejects(tx.query('select pg_sleep(60)'))
  wire.cut()
  await statement
  await tx[Symbol.asyncDispose]()
  await lease[Symbol.asyncDispose]()
  await pool.query('select 1')
})

test('the release of a transaction lets the connection go on, in every state of it', async () => {
  await using observer = await Observer.start()
  await using pool = pgPool(() => newPool(), { grace: grace.kept })
  await using lease = await pool.acquire()
  const pid = await backendOf(lease)
  const inFlight = deferred()
  const endings: ((tx: Awaited<ReturnType<PgLease['begin']>>) => Promise<unknown>)[] = [
    async () => {},
    (tx) => assert.rejects(tx.query('select 1/0')),
    async (tx) => void tx.query('select pg_sleep(60)'),
    async (tx) => {
      void tx.query('select pg_sleep(60)')
      await observer.untilRunning(pid, 'pg_sleep')
      inFlight.resolve()
    },
    async (tx) => void (await tx.savepoint()),
    async (tx) => void tx.savepoint().catch(() => {}),
  ]
  for (const enter of endings) {
    for (const dispose of Object.values(ways)) {
      const tx = await lease.begin()
      await enter(tx)
      await dispose(tx)
      assert.equal(tx.state, 'rolled back')
      assert.equal(await backendOf(lease), pid)
      await assertClean(lease)
    }
  }
  await inFlight.promise
})

function wirePool(wire: Wire): PgPool & AsyncDisposable {
  return pgPool(() => newPool({ connectionString: wire.url }), { grace: 5_000 })
}

/** What the next holder must find, whatever the one before did. */
async function assertClean(lease: PgLease): Promise<void> {
  const { rows } = await lease.query(
    `select to_regclass('pg_temp.leftover') as temp,
            current_setting('statement_timeout') as timeout,
            (select xact_start = query_start from pg_stat_activity where pid = pg_backend_pid()) as xact,
            current_user = session_user as role,
            (select count(*)::int from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()) as locks,
            (select count(*)::int from pg_listening_channels()) as channels,
            (select count(*)::int from pg_cursors where name = 'leftover') as cursors`,
  )
  const clean = { temp: null, timeout: '0', xact: true, role: true, locks: 0, channels: 0 }
  assert.deepEqual(rows, [{ ...clean, cursors: 0 }])
  // Refused inside of a transaction.
  await lease.query('vacuum pg_largeobject_metadata')
  assert.deepEqual((await lease.query(named)).rows, [{ one: 1 }])
}
