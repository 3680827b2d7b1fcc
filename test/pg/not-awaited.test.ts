/** A COMMIT that nobody awaited; what a client of a facade is told in one go, and what it leaves on its way. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type pg from 'pg'
import { createApp } from 'unwind'
import { pgPool, pgResources, transactional } from 'unwind/pg'

import { newPool, newTable } from './support/database.ts'

test('a request whose COMMIT nobody awaited fails as that does', async () => {
  await using table = await newTable()
  const db = pgResources(() => newPool())
  await using app = createApp()
  const unique = `alter table ${table.name} add unique (v) deferrable initially deferred`
  await (await app.get(db.pool)).query(unique)
  const request = app.run(async (scope) => {
    const tx = await scope.get(db.transaction)
    await tx.query(`insert into ${table.name} values (1), (1)`)
    void tx.commit()
  })
  await assert.rejects(request, { code: '23505' })
  assert.deepEqual(await table.values(), [])
})

test('so it does where a part of it had failed, and it could not commit any more', async () => {
  const db = pgResources(() => newPool())
  await using app = createApp()
  const request = app.run(async (scope) => {
    const part = transactional(db, (tx) => tx.query('select 1/0'))
    await assert.rejects(part, { code: '22012' })
    void (await scope.get(db.transaction)).commit()
  })
  await assert.rejects(request, { code: 'ERR_PG_UNEXPECTED_ROLLBACK' })
})

test('a transaction that a client is told in one go is one, also where its modes are asked for', async () => {
  await using table = await newTable()
  await using pool = pgPool(() => newPool(), { grace: 60_000 })
  const insert = `insert into ${table.name} values (1)`
  const client = await pool.driver.connect()
  await Promise.all([client.query('begin'), client.query(insert), client.query('commit')])
  await Promise.all([client.query('begin'), client.query(insert), client.query('rollback')])
  client.release()
  assert.deepEqual(await table.values(), [1])

  await using lease = await pool.acquire()
  await using tx = await lease.begin()
  const inner = await tx.asPool<pg.Pool>().connect()
  const begin = 'begin isolation level read committed'
  await Promise.all([inner.query(begin), inner.query(insert), inner.query('commit')])
  await Promise.all([inner.query(begin), inner.query(insert), inner.query('rollback')])
  await tx.commit()
  assert.deepEqual(await table.values(), [1, 1])
})

test('a BEGIN that is still on its way when its client is released is undone before the next one works', async () => {
  await using table = await newTable()
  await using pool = pgPool(() => newPool(), { grace: 60_000 })
  {
    await using lease = await pool.acquire()
    const one = lease.asPool<pg.Pool>()
    const left = await one.connect()
    const beginning = left.query('begin')
    left.release()
    await one.query(`insert into ${table.name} values (1)`)
    await beginning
  }
  assert.deepEqual(await table.values(), [1])
})

test('a statement of a client that nobody awaits, and that its release ends, is no unhandled rejection', async () => {
  await using pool = pgPool(() => newPool(), { grace: 60_000 })
  const client = await pool.driver.connect()
  void client.query('select pg_sleep(60)')
  void client.query('select 1')
  client.release()
  await pool.query('select 1')
  // Nobody has handled it by now.
  await new Promise(setImmediate)
})

test('so it is with a BEGIN that its release overtakes, and with what was told behind it', async () => {
  await using pool = pgPool(() => newPool(), { grace: 60_000 })
  {
    const client = await pool.driver.connect()
    void client.query('begin')
    void client.query('select 1')
    client.release()
  }
  {
    const client = await pool.driver.connect()
    const begun = client.query('begin')
    void client.query('select pg_sleep(60)')
    await begun
    // What was told behind it is sent by then.
    await new Promise(setImmediate)
    client.release()
  }
  await pool.query('select 1')
  await new Promise(setImmediate)
})

test('a COMMIT that the release of its client overtakes is refused', async () => {
  await using pool = pgPool(() => newPool(), { grace: 60_000 })
  const client = await pool.driver.connect()
  void client.query('begin')
  const committing = client.query('commit')
  client.release()
  await assert.rejects(committing, { code: 'ERR_DISPOSED' })
})
