/** What the engine has compiled for leases is there after a quiet moment of their pool. */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { givenUp } from '../core/support/given-up.ts'

test('a collection of all garbage, between two leases, leaves what was compiled for them', async () => {
  const names = await givenUp({
    before: `
      import pg from 'pg'
      import { pgPool } from 'unwind/pg'
      const { DATABASE_URL: connectionString } = process.env
      const pool = pgPool(() => new pg.Pool({ connectionString, max: 1 }))`,
    act: "await pool.transaction((tx) => tx.query('select 1'))",
    times: 3_000,
    rounds: 3,
    after: 'await pool[Symbol.asyncDispose]()',
  })
  const own = 'Lease Waiter Statement Transaction Ticket #lend #giveBack'.split(' ')
  assert.deepEqual(
    own.filter((name) => names.includes(name)),
    [],
  )
})
