/** Advisory locks are given back in every state, and are never by accident the next holder's. */
import assert from 'node:assert/strict'
import type { EventEmitter } from 'node:events'
import { test } from 'node:test'
import { pgPool, type PgLease } from 'unwind/pg'

import { within } from '../core/support/promises.ts'
import { backendOf, deferred, newPool, Observer } from './support/database.ts'
import { isFree, locksOf, newKey, newPools, notAvailable } from './support/locks.ts'
import { Wire } from './support/proxy.ts'

const disposed = { code: 'ERR_DISPOSED' }

test('a lock that did not come takes none away from another handle, however its key was written', async () => {
  await using pool = newPools()
  await using lease = await pool.acquire()
  const key = newKey()
  await using _lock = await lease.advisoryLock(key)
  {
    await using tx = await lease.begin()
    await assert.rejects(tx.query('select 1 / 0'), { code: '22012' })
    await assert.rejects(lease.advisoryLock(BigInt(key)), { code: '25P02' })
  }
  await lease.query('select 1')
  assert.equal(await isFree(pool, key), false)
})

test('the end of a wait does not take the lock from a handle that waits for the same behind it', async () => {
  await using pool = newPools()
  await using holder = await pool.acquire()
  await using lease = await pool.acquire()
  const key = newKey()
  const theirs = await holder.advisoryLock(key)
  const controller = new AbortController()
  const ended = assert.rejects(lease.advisoryLock(key, { signal: controller.signal }), {
    name: 'AbortError',
  })
  const behind = lease.advisoryLock(key)
  controller.abort()
  await ended
  await theirs[Symbol.asyncDispose]()
  const lock = await behind
  await lease.query('select 1')
  assert.equal(await isFree(pool, key), false)
  await lock[Symbol.asyncDispose]()
  assert.equal(await isFree(pool, key), true)
})

test('a lock that is given back between an error and its end is free after that', async () => {
  await using wire = await Wire.start()
  await using others = newPools()
  await using pool = pgPool(() => newPool({ connectionString: wire.url }), { grace: 60_000 })
  await using lease = await pool.acquire()
  const key = newKey()
  const lock = await lease.advisoryLock(key)
  wire.holds = ({ type }) => type === 'Z'
  await assert.rejects(lease.query('select 1 / 0'), { code: '22012' })
  const givenBack = lock[Symbol.asyncDispose]()
  wire.letGo()
  await givenBack
  assert.equal(await isFree(others, key), true)
})

test('the end of an outer block gives back what an inner one holds', async () => {
  await using pool = newPools()
  const key = newKey()
  const other = newKey()
  {
    await using lease = await pool.acquire()
    await using _lock = await lease.advisoryLock(key)
    await using tx = await lease.begin()
    await tx.advisoryLock(other)
    await using _inside = await lease.advisoryLock(key)
  }
  assert.equal(await isFree(pool, key), true)
  assert.equal(await isFree(pool, other), true)
})

for (const reset of ['auto', 'always', 'never', { sql: 'discard temp' }] as const) {
  test(`with reset ${JSON.stringify(reset)}, a released lease holds no lock, whatever was going on with it`, async () => {
    await using observer = await Observer.start()
    await using pool = newPools({ reset })
    await using blocker = await pool.acquire()
    const blocked = newKey()
    await using _blocked = await blocker.advisoryLock(blocked)
    let pid = 0
    const states: Record<string, (lease: PgLease, key: number) => Promise<unknown>> = {
      held: (lease, key) => lease.advisoryLock(key),
      'held twice': async (lease, key) => [
        await lease.advisoryLock(key),
        await lease.advisoryLock(key, { shared: true }),
      ],
      'just asked for': async (lease, key) => void lease.advisoryLock(key).catch(() => {}),
      'just asked for, with a timeout': async (lease, key) =>
        void lease.advisoryLock(key, { timeout: 60_000 }).catch(() => {}),
      'asked for behind something else': async (lease, key) => {
        void lease.query('select pg_sleep(60)').catch(() => {})
        void lease.advisoryLock(key).catch(() => {})
      },
      'waited for': async (lease) => {
        void lease.advisoryLock(blocked).catch(() => {})
        await observer.untilRunning(pid, 'pg_advisory_lock')
      },
      'held in an open transaction': async (lease, key) => {
        await lease.begin()
        await lease.advisoryLock(key)
      },
      'held in a failed transaction': async (lease, key) => {
        const tx = await lease.begin()
        await lease.advisoryLock(key)
        await assert.rejects(tx.query('select 1/0'))
      },
      'disposed in a failed transaction': async (lease, key) => {
        const tx = await lease.begin()
        const lock = await lease.advisoryLock(key)
        await assert.rejects(tx.query('select 1/0'))
        await lock[Symbol.asyncDispose]()
      },
      'being given back': async (lease, key) => {
        const lock = await lease.advisoryLock(key)
        void lock[Symbol.asyncDispose]()
      },
    }
    for (const [state, enter] of Object.entries(states)) {
      const lease = await pool.acquire()
      pid = await backendOf(lease)
      const key = newKey()
      const result = await enter(lease, key)
      await lease[Symbol.asyncDispose]()
      await using next = await pool.acquire()
      assert.equal(await backendOf(next), pid, state)
      assert.equal(await locksOf(next), 0, state)
      assert.equal(await isFree(pool, key), true, state)
      for (const lock of [result].flat() as Partial<AsyncDisposable>[]) {
        await lock?.[Symbol.asyncDispose]?.()
      }
      await assert.rejects(lease.advisoryLock(key), disposed)
      await assert.rejects(lease.tryAdvisoryLock(key), disposed)
    }
  })
}

test('a lock that is disposed in a failed transaction is given back when that has ended, and the lease goes on', async () => {
  await using pool = newPools()
  await using lease = await pool.acquire()
  const key = newKey()
  for (const early of [true, false]) {
    const tx = await lease.begin()
    const lock = await lease.advisoryLock(key)
    const failing = assert.rejects(tx.query('select 1/0'))
    if (early) await failing
    await lock[Symbol.asyncDispose]()
    await failing
    assert.equal(await isFree(pool, key), false)
    await tx.rollback()
    await lease.query('select 1')
    assert.equal(await isFree(pool, key), true)
  }
})

test('a lock that is disposed in a failed transaction is given back after that, however busy its lease is', async () => {
  await using pool = newPools()
  await using lease = await pool.acquire()
  const key = newKey()
  const tx = await lease.begin()
  const lock = await lease.advisoryLock(key)
  await assert.rejects(tx.query('select 1/0'))
  await lock[Symbol.asyncDispose]()
  const ended = assert.rejects(tx.commit(), { code: 'ERR_PG_ROLLED_BACK' })
  const stop = new AbortController()
  let waiting = lease.query('select 1')
  const busy = async (): Promise<void> => {
    // One always waits in the line behind the one that runs.
    while (!stop.signal.aborted) {
      const running = waiting
      waiting = lease.query('select 1')
      await running
    }
  }
  const working = busy()
  await ended
  let free = false
  for (let n = 0; n < 20 && !free; n += 1) free = await isFree(pool, key)
  stop.abort()
  await working
  await waiting
  assert.equal(free, true)
})

test('a lock that is disposed in a failed transaction of nobody is given back when that has ended, too', async () => {
  await using pool = newPools()
  await using lease = await pool.acquire()
  const key = newKey()
  const lock = await lease.advisoryLock(key)
  await lease.query('begin')
  await assert.rejects(lease.query('select 1/0'))
  await lock[Symbol.asyncDispose]()
  await lease.query('rollback')
  await lease.query('select 1')
  await lease.query('select 1')
  assert.equal(await isFree(pool, key), true)

  const other = await lease.advisoryLock(key)
  const cursor = lease.cursor('select 1 / (2 - n) from generate_series(1, 3) as n', [], {
    batch: 1,
  })
  await cursor.read(1)
  const { connection } = lease.unsafeClient() as { connection: EventEmitter }
  connection.once('errorMessage', () => void other[Symbol.asyncDispose]())
  await assert.rejects(cursor.read(1), { code: '22012' })
  await lease.query('select 1')
  await lease.query('select 1')
  assert.equal(await isFree(pool, key), true)
})

test('a lock that is asked for while a transaction ends is taken after that', async () => {
  await using pool = newPools()
  await using lease = await pool.acquire()
  for (const end of ['commit', 'rollback'] as const) {
    const tx = await lease.begin()
    const ending = tx[end]()
    await using _lock = await lease.advisoryLock(newKey(), { timeout: 60_000 })
    await ending
  }
})

test('a lock outlives the transaction in which it was taken', async () => {
  await using pool = newPools()
  await using lease = await pool.acquire()
  const key = newKey()
  const tx = await lease.begin()
  const lock = await lease.advisoryLock(key, { timeout: 1_000 })
  await tx.rollback()
  assert.equal(await isFree(pool, key), false)
  await lock[Symbol.asyncDispose]()
  assert.equal(await isFree(pool, key), true)
})

test("the lock's signal aborts when its connection breaks, and its dispose does not mind", async () => {
  await using observer = await Observer.start()
  await using pool = newPools()
  await using lease = await pool.acquire()
  const pid = await backendOf(lease)
  const key = newKey()
  await using lock = await lease.advisoryLock(key)
  await using unread = await lease.advisoryLock(key)
  assert.equal(lock.signal.aborted, false)
  const aborted = deferred()
  lock.signal.addEventListener('abort', () => aborted.resolve())
  await observer.terminate(pid)
  await aborted.promise
  assert.equal(lock.signal.reason.code, 'ERR_PG_CONNECTION_LOST')
  assert.ok(lock.signal.reason.cause instanceof Error)
  assert.equal(unread.signal.aborted, true, 'also where it is first read afterwards')
  assert.equal(await isFree(pool, key), true)
})

test("the lock's signal aborts with its lease, and not with its own dispose", async () => {
  await using pool = newPools()
  const lease = await pool.acquire()
  const kept = await lease.advisoryLock(newKey())
  const released = await lease.advisoryLock(newKey())
  const { signal } = released
  assert.equal(kept.signal.aborted, false)
  await released[Symbol.asyncDispose]()
  await lease[Symbol.asyncDispose]()
  assert.equal(kept.signal.aborted, true)
  assert.equal(kept.signal.reason.code, 'ERR_DISPOSED')
  assert.equal(signal.aborted, false)
})

test('a lock that was gone when it was given back says so: others may have had it', async () => {
  await using pool = newPools()
  await using lease = await pool.acquire()
  const lock = await lease.advisoryLock(newKey())
  await lease.query('select pg_advisory_unlock_all()')
  await assert.rejects(async () => lock[Symbol.asyncDispose](), notAvailable)
})

test('cancel() of the lease does not keep a lock from being given back', async () => {
  await using pool = newPools()
  await using lease = await pool.acquire()
  const key = newKey()
  const lock = await lease.advisoryLock(key)
  const running = assert.rejects(lease.query('select pg_sleep(60)'), { code: '57014' })
  const given = lock[Symbol.asyncDispose]()
  await lease.cancel()
  await Promise.all([running, given])
  assert.equal(await isFree(pool, key), true)
})

test('a lock and a cursor of one lease that end at the same time both end', async () => {
  await using pool = newPools()
  await using lease = await pool.acquire()
  const lock = await lease.advisoryLock(newKey())
  const cursor = lease.cursor('select generate_series(1, 100) as n', [], { batch: 10 })
  await cursor.read(10)
  await within(Promise.all([lock[Symbol.asyncDispose](), cursor[Symbol.asyncDispose]()]))
  assert.equal(await locksOf(lease), 0)
})
