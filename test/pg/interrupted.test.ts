/**
 * What is under way when a lease is released ends there: not a statement of it is sent to a connection that has its next
 * holder, and what it took from the server all the same is given back.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pgPool, type PgLease } from 'unwind/pg'

import { Wire } from '../support/chaos-proxy.ts'
import { newPool, Observer } from './support/database.ts'

const numbers = 'select generate_series(1, 100) as n'

/** What it begins is not waited for. */
type End = () => Promise<unknown>

const ends: Record<string, (lease: PgLease) => Promise<End>> = {
  async 'a COMMIT'(lease) {
    const tx = await lease.begin()
    return () => tx.commit()
  },
  async 'a COMMIT after the end of a cursor'(lease) {
    const tx = await lease.begin()
    await tx.cursor(numbers, [], { batch: 3 }).read(1)
    return () => tx.commit()
  },
  async 'a COMMIT behind a statement'(lease) {
    const tx = await lease.begin()
    return () => Promise.all([tx.query('select pg_sleep(60)'), tx.commit()])
  },
  async 'the COMMIT of a savepoint after the end of a cursor'(lease) {
    const tx = await lease.begin()
    const savepoint = await tx.savepoint()
    await savepoint.cursor(numbers, [], { batch: 3 }).read(1)
    return () => savepoint.commit()
  },
  async 'the COMMIT of a savepoint that has failed'(lease) {
    const tx = await lease.begin()
    const savepoint = await tx.savepoint()
    await assert.rejects(savepoint.query('select 1/0'))
    return () => savepoint.commit()
  },
  async 'a ROLLBACK'(lease) {
    const tx = await lease.begin()
    return () => tx.rollback()
  },
  async 'a BEGIN that is aborted'(lease) {
    const controller = new AbortController()
    return async () => {
      const begun = lease.begin({ signal: controller.signal })
      controller.abort()
      await begun
    }
  },
  async 'the end of a cursor that is being read'(lease) {
    const cursor = lease.cursor(numbers, [], { batch: 3 })
    await cursor.read(1)
    return () => Promise.all([cursor.read(5), cursor[Symbol.asyncDispose]()])
  },
  async 'a cancel'(lease) {
    return () => Promise.all([lease.query('select pg_sleep(60)'), lease.cancel()])
  },
  async 'the return of a lock'(lease) {
    const lock = await lease.advisoryLock(process.pid)
    return async () => lock[Symbol.asyncDispose]()
  },
}

for (const [name, prepare] of Object.entries(ends)) {
  test(`${name} that is under way when its lease is released sends nothing to the next holder`, async () => {
    await using wire = await Wire.start()
    await using pool = pgPool(() => newPool({ connectionString: wire.url }), { grace: 20_000 })
    for (let turns = 0; turns < 6; turns += 1) {
      const lease = await pool.acquire()
      const end = await prepare(lease)
      const over = end().catch(() => {})
      for (let turn = 0; turn < turns; turn += 1) await new Promise(setImmediate)
      const released = lease[Symbol.asyncDispose]()
      await using next = await pool.acquire()
      const sent: string[] = []
      wire.onClientMessage = ({ type, bytes }) => {
        if (type === 'Q') sent.push(bytes.toString('utf8', 5, bytes.length - 1))
      }
      await using tx = await next.begin()
      await Promise.all([released, over])
      await tx.query('select 1')
      assert.equal(tx.state, 'open')
      await tx.commit()
      assert.deepEqual(sent, ['BEGIN', 'select 1', 'COMMIT'])
      wire.onClientMessage = () => {}
    }
  })
}

/** One that is granted at once, by a function that then takes its time, as a server does between the two. */
const slowly = `create schema if not exists slowly;
  create or replace function slowly.pg_advisory_lock(key bigint) returns void language plpgsql as $$ begin
    perform pg_catalog.pg_advisory_lock(key);
    perform pg_sleep(60);
  end $$`

const granted = "select 1 from pg_locks where locktype = 'advisory' and granted and objid = $1"

for (const bound of ['signal', 'timeout', 'release'] as const) {
  test(`a lock that is granted while its wait is ended by its ${bound} is given back, also where nothing resets`, async () => {
    await using observer = await Observer.start()
    await observer.query(slowly)
    const options = '-c search_path=slowly,pg_catalog'
    await using pool = pgPool(() => newPool({ options }), { reset: 'never', grace: 20_000 })
    const key = process.pid
    const isGranted = async (): Promise<boolean> => {
      const { rowCount } = await observer.query(granted, [key])
      return rowCount === 1
    }
    const lease = await pool.acquire()
    const controller = new AbortController()
    const { signal } = controller
    const asked = lease.advisoryLock(key, bound === 'timeout' ? { timeout: 200 } : { signal })
    const over = assert.rejects(asked)
    // A timeout may come before this is seen.
    if (bound !== 'timeout') await observer.untilSeen(granted, [key])
    if (bound === 'signal') controller.abort()
    if (bound !== 'release') {
      await over
      await lease.query('select 1')
      assert.equal(await isGranted(), false)
    }
    await lease[Symbol.asyncDispose]()
    await over
    assert.equal(await isGranted(), false)
    await using next = await pool.acquire()
    await next.query('select 1')
  })
}

test('a cursor that is asked for when the BEGIN before it was called off is not declared in what never began', async () => {
  await using pool = pgPool(() => newPool())
  await using lease = await pool.acquire()
  const sleeping = assert.rejects(lease.query('select pg_sleep(60)'), { code: '57014' })
  const begun = assert.rejects(lease.begin(), { name: 'AbortError' })
  const cancelled = lease.cancel()
  const rows = await lease.cursor('select 1 as one').read(1)
  assert.deepEqual(rows, [{ one: 1 }])
  await Promise.all([sleeping, begun, cancelled])
})
