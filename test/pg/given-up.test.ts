/**
 * A statement that the driver gives up, by its `query_timeout`, goes on at the server; so may one whose signal aborts.
 * Whoever waited was told that it failed: nothing may come of it later.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pgPool, type PgQueryable, type PgQueryConfig, type PgTransaction } from 'unwind/pg'

import { within } from '../core/support/promises.ts'
import { backendOf, newPool, newTable } from './support/database.ts'
import { Wire } from './support/proxy.ts'

const timeout = { message: 'Query read timeout' }

function givenUp(on: PgQueryable, text: string): Promise<void> {
  // The declarations of the driver do not know this option either.
  const config: PgQueryConfig & { query_timeout: number } = { text, query_timeout: 50 }
  return assert.rejects(on.query(config), timeout)
}

const refusal = new Error('not by this driver')

function refuse(): never {
  throw refusal
}

async function assertFailed(tx: PgTransaction): Promise<void> {
  assert.equal(tx.state, 'failed')
  await assert.rejects(tx.query('select 1'), { code: '25P02' })
  await assert.rejects(tx.commit(), (error: Error & { code?: string }) => {
    assert.equal(error.code, 'ERR_PG_ROLLED_BACK')
    assert.equal((error.cause as Error).message, timeout.message)
    return true
  })
}

test('a statement that the driver gave up is cancelled, and has failed its transaction', async () => {
  await using table = await newTable()
  await using pool = pgPool(() => newPool(), { grace: 60_000 })
  await using lease = await pool.acquire()
  const pid = await backendOf(lease)
  await using tx = await lease.begin()
  await givenUp(tx, `insert into ${table.name} select 1 from pg_sleep(60)`)
  await assertFailed(tx)
  await givenUp(lease, `insert into ${table.name} select 2 from pg_sleep(60)`)
  assert.equal(await backendOf(lease), pid)
  assert.deepEqual(await table.values(), [])
})

test('so has one that was done before its cancel came, unless a savepoint undoes it', async () => {
  await using table = await newTable()
  await using wire = await Wire.start()
  await using pool = pgPool(() => newPool({ connectionString: wire.url }), { grace: 60_000 })
  await using lease = await pool.acquire()
  const pid = await backendOf(lease)
  const lateAnswer = async (on: PgQueryable, text: string): Promise<void> => {
    wire.holds = ({ type }) => type === 'C'
    await givenUp(on, text)
    wire.letGo()
  }
  {
    await using tx = await lease.begin()
    await lateAnswer(tx, `insert into ${table.name} values (1)`)
    await assertFailed(tx)
  }
  await using tx = await lease.begin()
  await tx.query(`insert into ${table.name} values (2)`)
  const savepoint = await tx.savepoint()
  await lateAnswer(savepoint, `insert into ${table.name} values (3)`)
  await assertFailed(savepoint)
  assert.equal(tx.state, 'open')
  await tx.commit()
  assert.equal(await backendOf(lease), pid)
  assert.deepEqual(await table.values(), [2])
})

test('so has one that was done before the cancel of its signal came', async () => {
  await using table = await newTable()
  await using wire = await Wire.start()
  await using pool = pgPool(() => newPool({ connectionString: wire.url }), { grace: 60_000 })
  await using lease = await pool.acquire()
  const pid = await backendOf(lease)
  const reason = new Error('no longer wanted')
  const lateAnswer = async (on: PgQueryable, v: number): Promise<void> => {
    const controller = new AbortController()
    const { signal } = controller
    const cancels = wire.cancels
    wire.holds = ({ type }) => {
      if (type === 'C') controller.abort(reason)
      return type === 'C'
    }
    const writing = on.query(`insert into ${table.name} values (${v})`, [], { signal })
    while (wire.cancels === cancels) await new Promise(setImmediate)
    wire.letGo()
    await assert.rejects(writing, reason)
  }
  {
    await using tx = await lease.begin()
    await lateAnswer(tx, 1)
    await assert.rejects(tx.commit(), { code: 'ERR_PG_ROLLED_BACK', cause: reason })
  }
  await using tx = await lease.begin()
  await tx.query(`insert into ${table.name} values (2)`)
  {
    await using savepoint = await tx.savepoint()
    await lateAnswer(savepoint, 3)
    await assert.rejects(savepoint.commit(), { code: 'ERR_PG_ROLLED_BACK', cause: reason })
  }
  await tx.commit()
  assert.equal(await backendOf(lease), pid)
  assert.deepEqual(await table.values(), [2])
})

test('one that a savepoint undoes meanwhile has not failed the transaction around it', async () => {
  await using table = await newTable()
  await using wire = await Wire.start()
  await using pool = pgPool(() => newPool({ connectionString: wire.url }), { grace: 60_000 })
  await pool.transaction(async (tx) => {
    await tx.query(`insert into ${table.name} values (1)`)
    const savepoint = await tx.savepoint()
    // The answer to the cancel of the rollback comes after the driver has given up.
    wire.holds = ({ type }) => type === 'E'
    const waiting = givenUp(savepoint, `insert into ${table.name} select 2 from pg_sleep(60)`)
    const undone = savepoint.rollback()
    await waiting
    wire.letGo()
    await undone
    assert.equal(tx.state, 'open')
    await tx.query(`insert into ${table.name} values (3)`)
  })
  assert.deepEqual(await table.values(), [1, 3])
})

test('one that a release waits for is cancelled all the same', async () => {
  await using pool = pgPool(() => newPool(), { inFlight: 'wait', grace: 60_000 })
  const lease = await pool.acquire()
  const pid = await backendOf(lease)
  const waiting = givenUp(lease, 'select pg_sleep(600)')
  await within(Promise.all([waiting, lease[Symbol.asyncDispose]()]))
  assert.equal(await backendOf(pool), pid)
})

test('a cursor whose read the driver gave up ends at once, and the connection goes on', async () => {
  await using pool = pgPool(() => newPool({ query_timeout: 200 }), { grace: 60_000 })
  await using lease = await pool.acquire()
  const pid = await backendOf(lease)
  await using cursor = lease.cursor('select pg_sleep(60)')
  await assert.rejects(cursor.read(1), timeout)
  assert.equal(await backendOf(lease), pid)
})

test('what the driver refuses, or cannot read, fails its own statement and leaves the transaction open', async () => {
  await using table = await newTable()
  await using pool = pgPool(() => newPool(), { grace: 60_000 })
  await using lease = await pool.acquire()
  await using tx = await lease.begin()
  await tx.query(`insert into ${table.name} values (1)`)
  const unreadable = { text: 'select 1', types: { getTypeParser: () => refuse } }
  const unknown = { text: 'select 1', types: { getTypeParser: refuse } }
  const unsendable = { toPostgres: refuse }
  await tx.query({ name: 'one', text: 'select 1' })
  await assert.rejects(tx.query({ name: 'one', text: 'select 2' }), /must be unique/)
  await assert.rejects(tx.query(unreadable), refusal)
  await assert.rejects(tx.query(unknown), refusal)
  await assert.rejects(tx.query('select $1', [unsendable]), refusal)
  assert.deepEqual((await tx.query('select 3 as three')).rows, [{ three: 3 }])
  await tx.commit()
  assert.deepEqual(await table.values(), [1])
})

test('a reader of the values of a whole pool that throws fails the statement that it was to read', async () => {
  // For a number, as the driver has it for all that it does not know.
  const getTypeParser = (oid: number): ((text: string) => string) =>
    oid === 23 ? refuse() : String
  await using pool = pgPool(() => newPool({ types: { getTypeParser } }))
  await assert.rejects(pool.query('select 1'), refusal)
  await using lease = await pool.acquire()
  await using cursor = lease.cursor('select 1')
  await assert.rejects(cursor.read(1), refusal)
  assert.deepEqual((await lease.query("select 'two' as two")).rows, [{ two: 'two' }])
})
