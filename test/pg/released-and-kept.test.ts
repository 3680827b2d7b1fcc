/**
 * Release in the states after which the connection comes back as the next holder must find it, on the same backend.
 * Disposed once, twice, or twice at the same time.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type pg from 'pg'
import Cursor from 'pg-cursor'
import { pgPool, type PgLease } from 'unwind/pg'

import { backendOf, deferred, newPool, Observer } from './support/database.ts'
import { Wire } from './support/proxy.ts'
import { assertClean, grace, testReleases, ways, wirePool, type State } from './support/releases.ts'

const states: State[] = [
  {
    title: 'idle',
    enter: (lease) => lease.query('select 1'),
  },
  {
    title: 'unused',
    enter: async () => {},
  },
  {
    title: 'with changed settings',
    enter: (lease) => lease.query("set statement_timeout = '7s'"),
  },
  {
    title: 'with a role, a lock, a channel, a cursor and a table of its own left behind',
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
    config: { pipeline: true },
    async enter(lease) {
      const tx = await lease.begin()
      void tx.query('select pg_sleep(60)')
      void tx.query('select 1')
    },
  },
  {
    title: 'with a COMMIT on its way',
    async enter(lease) {
      const tx = await lease.begin()
      void tx.commit().catch(() => {})
    },
  },
  {
    title: 'with a ROLLBACK on its way',
    async enter(lease) {
      const tx = await lease.begin()
      await tx.query('create temp table leftover (v int)')
      void tx.rollback()
    },
  },
  {
    title: 'with the end of a failed statement still to come',
    async enter(lease, _observer, wire) {
      const tx = await lease.begin()
      wire.holds = ({ type }) => type === 'Z'
      await assert.rejects(tx.query('select 1/0'), { code: '22012' })
      setTimeout(() => wire.letGo(), 20)
    },
  },
  {
    title: 'in an open transaction',
    async enter(lease) {
      const tx = await lease.begin()
      await tx.query('create temp table leftover (v int)')
    },
  },
  {
    title: 'in an open transaction that nobody began here',
    async enter(lease) {
      await lease.query('begin')
      await lease.query("set statement_timeout = '7s'")
    },
  },
  {
    title: 'in an open transaction with an open savepoint',
    async enter(lease) {
      const tx = await lease.begin()
      const savepoint = await tx.savepoint()
      await savepoint.query('select 1')
    },
  },
  {
    title: 'in a failed transaction',
    async enter(lease) {
      const tx = await lease.begin()
      await assert.rejects(tx.query('select 1/0'))
    },
  },
  {
    title: 'after a failed statement outside of transactions',
    enter: (lease) => assert.rejects(lease.query('select 1/0')),
  },
  {
    title: 'with a BEGIN on its way',
    async enter(lease) {
      void lease.begin().catch(() => {})
    },
  },
  {
    title: 'with a statement just sent',
    async enter(lease) {
      void lease.query('select pg_sleep(60)')
    },
  },
  {
    title: 'with a statement in flight',
    async enter(lease, observer) {
      const pid = await backendOf(lease)
      void lease.query('select pg_sleep(60)')
      await observer.untilRunning(pid, 'pg_sleep')
    },
  },
  {
    title: 'with a statement in flight in a transaction, and others behind it',
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
    options: { inFlight: 'wait' },
    async enter(lease) {
      void lease.query('select pg_sleep(0.05)')
    },
  },
  {
    title: 'with a statement that needs more than that time',
    // As long for the wait as for the cancel after it.
    options: { inFlight: 'wait', grace: 2_500 },
    async enter(lease) {
      void lease.query('select pg_sleep(60)')
    },
  },
  {
    title:
      'when the driver was used directly and left in a transaction, with a statement in flight',
    async enter(lease) {
      const client = lease.unsafeClient() as PgLease
      await client.query('begin')
      client.query('select pg_sleep(60)').catch(() => {})
    },
  },
]

const waits = ({ options }: State): boolean => options?.grace !== undefined
testReleases(
  'kept',
  states.filter((state) => !waits(state)),
)
describe('after the whole grace', { concurrency: true }, () =>
  testReleases('kept', states.filter(waits)),
)

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
