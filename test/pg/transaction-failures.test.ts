/** Transactions that a lost connection, a signal or a deadlock ends: told as that, and tried again where that is safe. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import pg from 'pg'
import { createApp } from 'unwind'
import { pgPool, pgResources, type PgTransaction } from 'unwind/pg'

import { Wire } from '../support/chaos-proxy.ts'
import { backendOf, deferred, newPool, newTable, Observer } from './support/database.ts'
import { newKey, newPools } from './support/locks.ts'

test('a connection that is lost during COMMIT is told as that, whatever became of it, and never tried again', async () => {
  for (const became of ['lost', 'committed'] as const) {
    await using table = await newTable()
    await using wire = await Wire.start()
    await using pool = pgPool(() => newPool({ connectionString: wire.url }), { grace: 5_000 })
    let runs = 0
    if (became === 'lost') {
      wire.onClientMessage = ({ bytes }) => {
        if (bytes.includes('COMMIT')) wire.cut()
      }
    } else {
      wire.holds = ({ type, bytes }) => {
        const committed = type === 'C' && bytes.includes('COMMIT')
        if (committed) setImmediate(() => wire.cut('reset'))
        return committed
      }
    }
    const committing = pool.transaction({ retry: 5 }, async (tx) => {
      runs += 1
      await tx.query(`insert into ${table.name} values (1)`)
    })
    await assert.rejects(committing, (error: Error & { code?: string }) => {
      assert.equal(error.name, 'PgCommitUnknownError')
      assert.equal(error.code, 'ERR_PG_COMMIT_UNKNOWN')
      assert(error.cause instanceof Error)
      return true
    })
    assert.equal(runs, 1)
    assert.deepEqual(await table.values(), became === 'lost' ? [] : [1])
    assert.deepEqual((await pool.query('select 1 as one')).rows, [{ one: 1 }])
  }
})

test('so is one of a pooler that has lost its server, and keeps its client', async () => {
  const lost = Object.assign(new Error('server gone'), { severity: 'FATAL', code: '58000' })
  class Client extends pg.Client {
    override query(...args: unknown[]): never {
      const [text, , callback] = args as [unknown, unknown, (error: unknown) => void]
      const told = text === 'COMMIT' ? () => callback(lost) : callback
      return super.query(...([text, args[1], told] as unknown as [string])) as never
    }
  }
  await using table = await newTable()
  await using pool = pgPool(() => newPool({ Client }))
  await using lease = await pool.acquire()
  const tx = await lease.begin()
  await tx.query(`insert into ${table.name} values (1)`)
  await assert.rejects(tx.commit(), { code: 'ERR_PG_COMMIT_UNKNOWN', cause: lost })
  assert.equal(tx.state, 'failed')
  assert.deepEqual(await table.values(), [1])
  await lease.query('select 1')
})

test('a COMMIT on a connection that was already lost is no mystery: it was never sent', async () => {
  await using wire = await Wire.start()
  await using pool = pgPool(() => newPool({ connectionString: wire.url }))
  await using lease = await pool.acquire()
  await using tx = await lease.begin()
  const broken = assert.rejects(tx.query('select pg_sleep(60)'))
  wire.cut()
  await broken
  await assert.rejects(tx.commit(), { code: 'ERR_PG_CONNECTION_LOST' })
  assert.equal(tx.state, 'rolled back')
})

test('nobody waits for a COMMIT longer than the grace after an abort, or when it is disposed', async () => {
  for (const way of ['abort', 'dispose'] as const) {
    await using wire = await Wire.start()
    await using pool = pgPool(() => newPool({ connectionString: wire.url }), { grace: 100 })
    await using lease = await pool.acquire()
    const controller = new AbortController()
    const tx = await lease.begin({ signal: controller.signal })
    wire.freeze()
    const commit = assert.rejects(tx.commit(), { code: 'ERR_PG_COMMIT_UNKNOWN' })
    if (way === 'abort') controller.abort()
    else await tx[Symbol.asyncDispose]()
    await commit
    assert.equal(tx.state, 'failed')
  }
})

test('a request whose COMMIT is not answered within its disposeTimeout is told that nobody knows', async () => {
  await using table = await newTable()
  await using wire = await Wire.start()
  const db = pgResources(() => newPool({ connectionString: wire.url }))
  await using app = createApp({ onError: () => {} })
  const request = app.run({ disposeTimeout: 100 }, async (scope) => {
    const tx = await scope.get(db.transaction)
    await tx.query(`insert into ${table.name} values (1)`)
    wire.holds = () => true
  })
  await assert.rejects(request, (failed: Error & { error?: unknown; suppressed?: unknown }) => {
    assert.equal((failed.error as { code?: string }).code, 'ERR_PG_COMMIT_UNKNOWN')
    assert.equal((failed.suppressed as { code?: string }).code, 'ERR_DISPOSE_TIMEOUT')
    return true
  })
  assert.deepEqual(await table.values(), [1])
})

test('the signal of a transaction ends what runs in it, and nothing more is sent, COMMIT included', async () => {
  await using table = await newTable()
  await using pool = pgPool(() => newPool(), { grace: 60_000 })
  await using lease = await pool.acquire()
  const controller = new AbortController()
  const reason = new Error('enough')
  const isReason = (error: unknown): boolean => error === reason
  const tx = await lease.begin({ signal: controller.signal })
  await tx.query(`insert into ${table.name} values (1)`)
  const own = new AbortController()
  const running = tx.query('select pg_sleep(60)', [], { signal: own.signal })
  controller.abort(reason)
  await assert.rejects(running, isReason)
  await assert.rejects(tx.query('select 1'), isReason)
  await assert.rejects(tx.savepoint(), isReason)
  await assert.rejects(tx.commit(), isReason)
  await tx[Symbol.asyncDispose]()
  assert.equal(tx.state, 'rolled back')
  assert.deepEqual(await table.values(), [])
  await assert.rejects(lease.begin({ signal: controller.signal }), isReason)
  await assert.rejects(
    pool.transaction({ signal: controller.signal }, () => {}),
    isReason,
  )
})

test('the signal of a transaction ends what its lease was told inside of it, and nothing after its end', async () => {
  await using pool = pgPool(() => newPool(), { grace: 60_000 })
  await using lease = await pool.acquire()
  const controller = new AbortController()
  const reason = new Error('enough')
  const isReason = (error: unknown): boolean => error === reason
  const tx = await lease.begin({ signal: controller.signal })
  const running = assert.rejects(lease.query('select pg_sleep(60)'), isReason)
  const waiting = assert.rejects(lease.query('select 1'), isReason)
  controller.abort(reason)
  await Promise.all([running, waiting])
  await assert.rejects(lease.query('select 1'), isReason)
  await tx.rollback()
  await lease.query('select 1')
})

test('a BEGIN that waits or runs is given up with its signal, and leaves no transaction open', async () => {
  await using wire = await Wire.start()
  await using pool = pgPool(() => newPool({ connectionString: wire.url }), { grace: 60_000 })
  await using lease = await pool.acquire()
  const waiting = new AbortController()
  const statement = lease.query('select pg_sleep(0.05)')
  const queued = assert.rejects(lease.begin({ signal: waiting.signal }), { name: 'AbortError' })
  waiting.abort()
  await queued
  await statement

  const running = new AbortController()
  const begun = deferred()
  wire.holds = ({ type, bytes }) => {
    if (type === 'C' && bytes.includes('BEGIN')) begun.resolve()
    return type === 'C' && bytes.includes('BEGIN')
  }
  const given = assert.rejects(lease.begin({ signal: running.signal }), { name: 'AbortError' })
  await begun.promise
  running.abort()
  wire.letGo()
  await given
  await lease.query('vacuum pg_largeobject_metadata')
  await using _tx = await lease.begin()
})

test('a deadlock is tried again where that is allowed, as is what a library wrapped or a body swallowed', async () => {
  await using table = await newTable()
  const options = '-c deadlock_timeout=50ms'
  await using pool = pgPool(() => newPool({ max: 2, options }), { grace: 60_000 })
  await pool.query(`insert into ${table.name} values (1), (2)`)
  const both = [deferred(), deferred()]
  let runs = 0
  const lock = (mine: number, other: number): Promise<void> =>
    pool.transaction({ retry: 3 }, async (tx) => {
      runs += 1
      // Whoever comes again takes them in the order in which nobody meets.
      const again = runs > 2
      await tx.query(`update ${table.name} set v = v where v = ${again ? 1 : mine}`)
      both[mine - 1]?.resolve()
      await Promise.all(both.map(({ promise }) => promise))
      await tx.query(`update ${table.name} set v = v where v = ${again ? 2 : other}`)
    })
  await Promise.all([lock(1, 2), lock(2, 1)])
  // On a busy machine the second may be late, and the two meet once more.
  assert.ok(runs >= 3, 'the server ends one of them, or both')

  const failures: ((tx: PgTransaction) => Promise<unknown>)[] = [
    (tx) => tx.query("do $$ begin raise exception using errcode = '40001'; end $$"),
    async (tx) => {
      try {
        await tx.query("do $$ begin raise exception using errcode = '40P01'; end $$")
      } catch (cause) {
        throw new Error('wrapped', { cause })
      }
    },
    (tx) => tx.query("do $$ begin raise exception using errcode = '40001'; end $$").catch(() => {}),
  ]
  for (const fail of failures) {
    let attempts = 0
    await pool.transaction({ retry: 1 }, async (tx) => {
      attempts += 1
      if (attempts === 1) await fail(tx)
    })
    assert.equal(attempts, 2)
    let once = 0
    const unretried = pool.transaction(async (tx) => {
      once += 1
      await fail(tx)
    })
    await assert.rejects(unretried)
    assert.equal(once, 1)
  }
  let others = 0
  const other = pool.transaction({ retry: 9 }, async (tx) => {
    others += 1
    await tx.query('select 1/0')
  })
  await assert.rejects(other, { code: '22012' })
  assert.equal(others, 1)
})

test('waiting to try again ends with the reason of the signal', async () => {
  await using pool = pgPool(() => newPool())
  const controller = new AbortController()
  const reason = new Error('enough')
  const trying = pool.transaction({ retry: 1_000_000, signal: controller.signal }, async (tx) => {
    setImmediate(() => controller.abort(reason))
    await tx.query("do $$ begin raise exception using errcode = '40001'; end $$")
  })
  await assert.rejects(trying, (error) => error === reason)
})

test('an error that only looks like one of the server is no reason to try again', async () => {
  await using pool = pgPool(() => newPool())
  let runs = 0
  const trying = pool.transaction({ retry: 3 }, async () => {
    runs += 1
    throw Object.assign(new Error('mine'), { code: '40001' })
  })
  await assert.rejects(trying, { message: 'mine' })
  assert.equal(runs, 1)
})

test('the cause of a COMMIT that was rolled back is not what a savepoint by text had undone', async () => {
  await using pool = pgPool(() => newPool())
  await using lease = await pool.acquire()
  await using tx = await lease.begin()
  await tx.query('savepoint one')
  await assert.rejects(tx.query('select 1/0'), { code: '22012' })
  await tx.query('rollback to one')
  await assert.rejects(tx.query('select from nowhere'), { code: '42P01' })
  await assert.rejects(tx.commit(), (error: Error & { cause?: { code?: string } }) => {
    assert.equal(error.cause?.code, '42P01')
    return true
  })
})

test('the signal of a transaction ends the wait for a lock of its lease, and refuses the next', async () => {
  await using observer = await Observer.start()
  await using pool = newPools()
  await using holder = await pool.acquire()
  const key = newKey()
  await using _held = await holder.advisoryLock(key)
  await using lease = await pool.acquire()
  const pid = await backendOf(lease)
  const controller = new AbortController()
  const reason = new Error('enough')
  const isReason = (error: unknown): boolean => error === reason
  await using _tx = await lease.begin({ signal: controller.signal })
  const waiting = assert.rejects(lease.advisoryLock(key, { timeout: 60_000 }), isReason)
  await observer.untilRunning(pid, 'pg_advisory_lock')
  controller.abort(reason)
  await waiting
  await assert.rejects(lease.tryAdvisoryLock(newKey()), isReason)
})
