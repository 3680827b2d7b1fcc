/** What a failed statement leaves in its session is as gone at the release as what a successful one does. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pgPool, type PgLease } from 'unwind/pg'

import { backendOf, newPool, Observer } from './support/database.ts'
import { assertClean, prepare, use } from './support/next-holder.ts'

/** What stays of a statement although it fails, or takes too long for somebody. */
const failing: Record<string, (lease: PgLease) => Promise<unknown>> = {
  'a session lock': (lease) => lease.query('select pg_advisory_lock(7), 1 / (random() * 0)::int'),
  'a session lock, in a transaction that is rolled back': async (lease) => {
    await using tx = await lease.begin()
    await tx.query('select pg_advisory_lock(7), 1 / (random() * 0)::int')
  },
  'a session lock, of a cursor': (lease) =>
    lease.cursor('select pg_advisory_lock(7), 1 / (random() * 0)::int').read(1),
  'a statement that SQL prepared': (lease) =>
    lease.query('prepare leftover as select 1; select 1 / 0'),
  'what a script committed': (lease) =>
    lease.query(
      "set statement_timeout = '7s'; listen leftovers; create temp table leftover (v int); commit; select 1 / 0",
    ),
  'what a block committed': (lease) =>
    lease.query(
      "/* in parts */ do $$ begin perform set_config('statement_timeout', '7s', false); commit; raise 'no'; end $$",
    ),
  'a session lock, under a cancel': async (lease) => {
    const pid = await backendOf(lease)
    const waiting = lease.query('select pg_advisory_lock(7); select pg_sleep(60)')
    await using observer = await Observer.start()
    await observer.untilSleeping(pid)
    await Promise.all([waiting, lease.cancel()])
  },
  'a setting, in a row that the driver cannot read': (lease) => {
    const types = { getTypeParser: () => unreadable }
    const config = { text: "select set_config('statement_timeout', '7s', false)", types }
    return lease.query(config)
  },
  'a setting, in a statement that the driver gave up': async (lease) => {
    const text = "select set_config('statement_timeout', '7s', false); commit; select pg_sleep(60)"
    const config = { text, query_timeout: 100 }
    await lease.query(config)
  },
}

for (const [change, fail] of Object.entries(failing)) {
  test(`${change} is gone for the next holder also where its statement failed`, async () => {
    await using pool = pgPool(() => newPool(), { grace: 60_000 })
    const pid = await prepare(pool)
    await use(pool, (lease) => assert.rejects(fail(lease)))
    await use(pool, (next) => assertClean(next, pid))
  })
}

function unreadable(): never {
  throw new Error('unreadable')
}
