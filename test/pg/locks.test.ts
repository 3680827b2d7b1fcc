/** Advisory locks: held by one at a time, waited for as long as was said, and of a transaction where that takes them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pgPool } from 'unwind/pg'

import { backendOf, newPool, Observer, until } from './support/database.ts'
import { isFree, locksOf, newKey, newPools, notAvailable } from './support/locks.ts'
import { Wire } from './support/proxy.ts'

const disposed = { code: 'ERR_DISPOSED' }

test('a lock is held by one session at a time, and given back by its dispose', async () => {
  await using pool = newPools()
  await using lease = await pool.acquire()
  const key = newKey()
  const lock = await lease.advisoryLock(key)
  assert.equal(await isFree(pool, key), false)
  await Promise.all([lock[Symbol.asyncDispose](), lock[Symbol.asyncDispose]()])
  await lock[Symbol.asyncDispose]()
  assert.equal(await isFree(pool, key), true)
  assert.equal(await locksOf(lease), 0)
})

test('the dispose of a lock does not mind whether its connection breaks before or meanwhile', async () => {
  await using wire = await Wire.start()
  await using observer = await Observer.start()
  await using pool = pgPool(() => newPool({ connectionString: wire.url }))
  await using lease = await pool.acquire()
  const pid = await backendOf(lease)
  const lock = await lease.advisoryLock(newKey())
  const { signal } = lock
  const given = new Promise<void>((resolve) => {
    // The last word of the server is the answer to what gives it back.
    wire.holds = () => {
      resolve(lock[Symbol.asyncDispose]())
      return false
    }
  })
  await observer.terminate(pid)
  await given
  assert.equal(signal.aborted, true)
})

test('a lock is taken or not, however the driver was told to read a boolean', async () => {
  const types = { getTypeParser: () => String }
  await using pool = pgPool(() => newPool({ max: 2, types }), { grace: 60_000 })
  await using holder = await pool.acquire()
  await using other = await pool.acquire()
  const key = newKey()
  const lock = await holder.advisoryLock(key)
  assert.equal(await other.tryAdvisoryLock(key), undefined)
  await lock[Symbol.asyncDispose]()
  assert.ok(await other.tryAdvisoryLock(key))
})

test('a lock that is taken twice is free when it was given back twice', async () => {
  await using pool = newPools()
  await using lease = await pool.acquire()
  const key = newKey()
  const first = await lease.advisoryLock(key)
  const second = await lease.tryAdvisoryLock(key)
  assert.ok(second)
  await first[Symbol.asyncDispose]()
  await first[Symbol.asyncDispose]()
  assert.equal(await isFree(pool, key), false)
  await second[Symbol.asyncDispose]()
  assert.equal(await isFree(pool, key), true)
})

test('a shared lock is held with those who share it, and by nobody else', async () => {
  await using pool = newPools()
  await using one = await pool.acquire()
  await using two = await pool.acquire()
  const key = newKey()
  const first = await one.advisoryLock(key, { shared: true })
  const second = await two.tryAdvisoryLock(key, { shared: true })
  assert.ok(second)
  assert.equal(await isFree(pool, key), false)
  await first[Symbol.asyncDispose]()
  assert.equal(await isFree(pool, key), false)
  await second[Symbol.asyncDispose]()
  assert.equal(await isFree(pool, key), true)
})

test('whoever waits gets the lock when it is given back', async () => {
  await using observer = await Observer.start()
  await using pool = newPools()
  await using holder = await pool.acquire()
  await using waiter = await pool.acquire()
  const pid = await backendOf(waiter)
  const key = newKey()
  const lock = await holder.advisoryLock(key)
  const waiting = waiter.advisoryLock(key, { timeout: 60_000 })
  await observer.untilRunning(pid, 'pg_advisory_lock')
  await lock[Symbol.asyncDispose]()
  await using _taken = await waiting
  assert.equal(await locksOf(waiter), 1)
})

test('after the timeout the wait ends, and the connection and its transaction go on', async () => {
  await using pool = newPools()
  await using holder = await pool.acquire()
  await using lease = await pool.acquire()
  const pid = await backendOf(lease)
  const key = newKey()
  await using _lock = await holder.advisoryLock(key)
  for (const timeout of [0, 1, 50]) {
    await assert.rejects(lease.advisoryLock(key, { timeout }), notAvailable)
    await assert.rejects(
      lease.advisoryLock('text', { timeout: 0 }).then(() => lease.advisoryLock(key, { timeout })),
      notAvailable,
    )
    await using tx = await lease.begin()
    const before = tx.query('select 1 as n')
    const attempt = assert.rejects(tx.advisoryLock(key, { timeout }), notAvailable)
    const after = tx.query('select 2 as n')
    await attempt
    assert.deepEqual((await before).rows, [{ n: 1 }])
    assert.deepEqual((await after).rows, [{ n: 2 }], 'what waited behind it is none the worse')
    await assert.rejects(lease.advisoryLock(key, { timeout }), notAvailable)
    assert.equal(tx.state, 'open')
    await tx.advisoryLock(newKey(), { timeout: 60_000 })
    await tx.commit()
  }
  assert.equal(await backendOf(lease), pid)
})

test('in a transaction that has failed before, the timeout of a lock costs nobody the connection', async () => {
  await using wire = await Wire.start()
  await using pool = pgPool(() => newPool({ connectionString: wire.url }), { grace: 60_000 })
  await using lease = await pool.acquire()
  const pid = await backendOf(lease)
  await using tx = await lease.begin()
  const driver = lease.unsafeClient() as { readonly readyForQuery: boolean }
  await assert.rejects(tx.query('select 1/0'), { code: '22012' })
  // Its error may come before its end, behind which the lock would wait.
  await until(() => driver.readyForQuery, 'the failed statement is over')
  wire.onCancel = 'keep'
  wire.holds = () => true
  const attempt = assert.rejects(tx.advisoryLock(newKey(), { timeout: 1 }), notAvailable)
  await until(() => wire.keptCancels > 0, 'the cancel is on its way')
  wire.letGo()
  wire.letCancelsGo()
  await attempt
  assert.equal(tx.state, 'failed')
  await tx.rollback()
  assert.equal(await backendOf(lease), pid)
})

test('a lock that is asked for behind a BEGIN that is called off is taken without', async () => {
  await using pool = newPools()
  await using lease = await pool.acquire()
  const controller = new AbortController()
  const before = lease.query('select 1')
  const begun = assert.rejects(lease.begin({ signal: controller.signal }), { name: 'AbortError' })
  const lock = lease.advisoryLock(newKey(), { timeout: 60_000 })
  controller.abort()
  await Promise.all([before, begun, lock])
  assert.equal(await locksOf(lease), 1)
})

test('the timeout of a lock that is asked for behind a BEGIN by text leaves that transaction as it was', async () => {
  await using pool = newPools()
  await using holder = await pool.acquire()
  const key = newKey()
  await holder.advisoryLock(key)
  await using lease = await pool.acquire()
  const begun = lease.query('begin')
  await assert.rejects(lease.advisoryLock(key, { timeout: 50 }), notAvailable)
  await begun
  await lease.query('select 1')
  assert.equal((await lease.query('commit')).command, 'COMMIT')
})

test('the time that earlier statements take counts', async () => {
  await using pool = newPools()
  await using lease = await pool.acquire()
  const key = newKey()
  const earlier = lease.query('select pg_sleep(0.3)')
  await assert.rejects(lease.advisoryLock(key, { timeout: 20 }), notAvailable)
  await earlier
  assert.equal(await isFree(pool, key), true)
})

test('a signal ends the wait with its reason, and a lock that came all the same is given back', async () => {
  await using observer = await Observer.start()
  await using pool = newPools()
  await using holder = await pool.acquire()
  await using lease = await pool.acquire()
  const pid = await backendOf(lease)
  const key = newKey()
  const reason = new Error('enough')
  {
    await using _lock = await holder.advisoryLock(key)
    const controller = new AbortController()
    const waiting = lease.advisoryLock(key, { signal: controller.signal, timeout: 60_000 })
    await observer.untilRunning(pid, 'pg_advisory_lock')
    controller.abort(reason)
    await assert.rejects(waiting, (error) => error === reason)
  }
  await assert.rejects(
    lease.advisoryLock(key, { signal: AbortSignal.abort(reason) }),
    (error) => error === reason,
  )
  // Before, during and after the answer of the server.
  for (let turns = 0; turns < 30; turns += 1) {
    const controller = new AbortController()
    const asked = lease.advisoryLock(key, { signal: controller.signal })
    for (let turn = 0; turn < turns; turn += 1) await new Promise(setImmediate)
    controller.abort(reason)
    const lock = await asked.catch((error: unknown) => assert.equal(error, reason))
    await lock?.[Symbol.asyncDispose]()
    assert.equal(await locksOf(lease), 0)
  }
  assert.equal(await backendOf(lease), pid)
})

test('the lock of a transaction ends with it, and a try says whether it was taken', async () => {
  await using pool = newPools()
  await using lease = await pool.acquire()
  await using other = await pool.acquire()
  const key = newKey()
  for (const end of ['commit', 'rollback'] as const) {
    const tx = await lease.begin()
    const result = await tx.advisoryLock(key)
    assert.equal(result, undefined)
    assert.equal(await isFree(pool, key), false)
    await using otherTx = await other.begin()
    assert.equal(await otherTx.tryAdvisoryLock(key), false)
    assert.equal(await otherTx.tryAdvisoryLock(key, { shared: true }), false)
    assert.equal(await otherTx.tryAdvisoryLock(newKey()), true)
    await tx[end]()
    assert.equal(await otherTx.tryAdvisoryLock(key), true)
    await assert.rejects(tx.advisoryLock(key), disposed)
    await assert.rejects(tx.tryAdvisoryLock(key), disposed)
  }
  await using tx = await lease.begin()
  await tx.advisoryLock(key, { shared: true })
  await using shared = await other.begin()
  await shared.advisoryLock(key, { shared: true })
})

test('the lock of a savepoint is given back when that is rolled back', async () => {
  await using pool = newPools()
  await using lease = await pool.acquire()
  await using tx = await lease.begin()
  const key = newKey()
  {
    await using savepoint = await tx.savepoint()
    await savepoint.advisoryLock(key, { timeout: 60_000 })
    assert.equal(await isFree(pool, key), false)
  }
  assert.equal(await isFree(pool, key), true)
})

test('a key is any whole number of 64 bits, or a text with the number that SQL gives it', async () => {
  await using pool = newPools()
  await using lease = await pool.acquire()
  const numbers = [0, -1, Number.MAX_SAFE_INTEGER, 2n ** 63n - 1n, -(2n ** 63n), BigInt(newKey())]
  for (const key of numbers) {
    await using _lock = await lease.advisoryLock(key)
    const { rows } = await lease.query(
      "select (classid::bigint << 32 | objid::bigint)::text as key from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()",
    )
    assert.deepEqual(rows, [{ key: String(key) }])
  }
  for (const text of ['', 'nightly report', 'Schlüssel ✓', "quote ' and \\"]) {
    await using _lock = await lease.advisoryLock(text)
    const { rows } = await lease.query(
      `select ('x' || left(encode(sha256(convert_to($1, 'UTF8')), 'hex'), 16))::bit(64)::bigint
            = (classid::bigint << 32 | objid::bigint) as same
       from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()`,
      [text],
    )
    assert.deepEqual(rows, [{ same: true }], text)
  }
})

test('what is no key, and a wrong option, is a TypeError that names it', async () => {
  await using pool = newPools()
  await using lease = await pool.acquire()
  await using tx = await lease.begin()
  for (const key of [1.5, Number.NaN, 2 ** 60, 2n ** 63n, undefined, null, {}] as never[]) {
    for (const ask of [
      () => lease.advisoryLock(key),
      () => lease.tryAdvisoryLock(key),
      () => tx.advisoryLock(key),
      () => tx.tryAdvisoryLock(key),
    ]) {
      await assert.rejects(ask(), { name: 'TypeError', message: /key of an advisory lock/ })
    }
  }
  await assert.rejects(lease.advisoryLock(1, { timeout: -1 }), /`timeout` of advisoryLock\(\)/)
  await assert.rejects(
    lease.tryAdvisoryLock(1, { timeout: 1 } as never),
    /`timeout` of tryAdvisoryLock\(\)/,
  )
  assert.equal(tx.state, 'open')
})
