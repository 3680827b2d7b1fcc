/**
 * Release in the states after which nobody may have the connection: it is destroyed, and the next holder gets another.
 * Disposed once, twice, or twice at the same time.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type pg from 'pg'
import type { PgLease } from 'unwind/pg'

import { backendOf } from './support/database.ts'
import { Wire } from './support/proxy.ts'
import { testReleases, wirePool, type State } from './support/releases.ts'

const states: State[] = [
  {
    title: 'in an open transaction, when the server fell silent',
    async enter(lease, _observer, wire) {
      await lease.begin()
      wire.freeze()
    },
  },
  {
    title: 'with a statement in flight, when the server fell silent',
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
    async enter(lease, _observer, wire) {
      const tx = await lease.begin()
      wire.freeze()
      void assert.rejects(tx.commit(), { code: 'ERR_PG_COMMIT_UNKNOWN' })
    },
  },
  {
    title: 'with a BEGIN on its way, when the server fell silent',
    async enter(lease, _observer, wire) {
      wire.freeze()
      lease.begin().catch(() => {})
    },
  },
  {
    title: 'when its settings were changed and the server fell silent',
    async enter(lease, _observer, wire) {
      await lease.query("set statement_timeout = '7s'")
      wire.freeze()
    },
  },
  {
    title: 'reset by the network',
    async enter(lease, _observer, wire) {
      const tx = await lease.begin()
      const broken = assert.rejects(tx.query('select pg_sleep(60)'))
      wire.cut('reset')
      await broken
    },
  },
  {
    title: 'broken while nothing ran on it',
    async enter(lease, observer) {
      const pid = await backendOf(lease)
      const client = lease.unsafeClient() as pg.ClientBase
      const noticed = new Promise((resolve) => client.once('end', resolve))
      await observer.terminate(pid)
      await noticed
    },
  },
  {
    title: 'with a statement in flight that is not to be cancelled',
    options: { inFlight: 'destroy' },
    async enter(lease) {
      void lease.query('select pg_sleep(1)')
    },
  },
  {
    title: 'with a statement that cannot be cancelled',
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
    async enter(lease, observer) {
      const pid = await backendOf(lease)
      const broken = assert.rejects(lease.query('select pg_sleep(60)'), { code: '57P01' })
      await observer.terminate(pid)
      await broken
    },
  },
  {
    title: 'broken in an open transaction',
    async enter(lease, observer) {
      const pid = await backendOf(lease)
      await lease.begin()
      await observer.terminate(pid)
    },
  },
  {
    title: 'when its reset fails',
    options: { reset: { sql: 'select 1/0', when: 'always' } },
    enter: (lease) => lease.query('select 1'),
  },
  {
    title: 'when its reset takes too long',
    options: { reset: { sql: 'select pg_sleep(60)', when: 'always' } },
    enter: (lease) => lease.query('select 1'),
  },
  {
    title: 'when the driver was used directly and nothing resets it',
    options: { reset: 'never' },
    async enter(lease) {
      const client = lease.unsafeClient() as PgLease
      await client.query('select 1')
    },
  },
]

testReleases('destroyed', states)

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
