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

test('what a client of one connection hears ends with the lease, also where nobody releases the client', async () => {
  const driver = newPool()
  const listening = (): number =>
    [...clients].reduce((sum, one) => sum + one.listenerCount('notice'), 0)
  const clients = new Set<pg.PoolClient>()
  driver.on('connect', (client) => clients.add(client))
  await using pool = pgPool(driver, { own: true })
  const heard: unknown[] = []
  {
    await using lease = await pool.acquire()
    const client = await lease.asPool<pg.Pool>().connect()
    client.on('notice', (notice) => heard.push(notice.message))
    await client.query("do $$ begin raise notice 'its own'; end $$")
  }
  assert.equal(listening(), 0)
  await pool.query("do $$ begin raise notice 'of the next holder'; end $$")
  assert.deepEqual(heard, ['its own'])
  assert.equal(clients.size, 1)
})
