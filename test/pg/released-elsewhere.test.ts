/** A client of the driver that is released behind the back of its lease, and lent again: no two have one connection. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type pg from 'pg'
import { pgPool } from 'unwind/pg'

import { backendOf, newPool, untilIdle } from './support/database.ts'

const lost = { code: 'ERR_PG_CONNECTION_LOST' }

test('a lease whose client was released by whoever was given that reaches nobody who is lent it next', async () => {
  await using pool = pgPool(() => newPool())
  const first = await pool.acquire()
  const pid = await backendOf(first)
  const client = first.unsafeClient() as pg.PoolClient
  client.release()
  await using next = await pool.acquire()
  await assert.rejects(first.query('select 1'), lost)
  const own = await backendOf(next)
  assert.notEqual(own, pid)
  await first[Symbol.asyncDispose]()
  const third = pool.acquire()
  assert.deepEqual(pool.stats(), { total: 1, idle: 0, leased: 1, waiting: 1 })
  assert.equal(await backendOf(next), own)
  await next[Symbol.asyncDispose]()
  await (await third)[Symbol.asyncDispose]()
  await untilIdle(pool)
  assert.deepEqual(pool.stats(), { total: 1, idle: 1, leased: 0, waiting: 0 })
})

test('nor does one whose connection was given away by a second release by whoever had it before', async () => {
  const raw = newPool()
  await using shared = pgPool(raw, { own: true })
  const before = await raw.connect()
  before.release()
  const lease = await shared.acquire()
  const running = assert.rejects(lease.query('select pg_sleep(60)'), {
    message: 'Connection terminated',
  })
  before.release()
  await using next = await shared.acquire()
  await running
  await assert.rejects(lease.query('select 1'), lost)
  await lease[Symbol.asyncDispose]()
  assert.equal(await backendOf(next), await backendOf(next))
})
