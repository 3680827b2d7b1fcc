/** What whoever asks a facade for its listeners finds: graphile-worker warns of a pool whose failures nobody hears. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type pg from 'pg'
import { pgPool } from 'unwind/pg'

import { newPool } from './support/database.ts'

test('who looks for the listeners of a pool finds that its failures are heard', async () => {
  await using pool = pgPool(() => newPool())
  await using lease = await pool.acquire()
  await using tx = await lease.begin()
  for (const facade of [pool.driver, lease.asPool<pg.Pool>(), tx.asPool<pg.Pool>()]) {
    assert.equal(facade.listeners('error').length, 1)
    assert.equal(facade.listeners('connect').length, 1)
  }
})
