/** Whatever a request left running, nothing of it reaches the server after the end of its transaction or lease. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createApp, type Scope } from 'unwind'
import { pgPool, pgResources, transactional, type PgQueryable } from 'unwind/pg'

import { Wire } from '../support/chaos-proxy.ts'
import { deferred, newPool, newTable } from './support/database.ts'

const disposed = { name: 'DisposedError', code: 'ERR_DISPOSED' }

function assertDisposed(error: unknown): void {
  assert(error instanceof Error && 'code' in error)
  assert.deepEqual({ name: error.name, code: error.code }, disposed)
}

test('a Promise.all that fails fast ends what runs, refuses what comes, and rolls all of it back', async () => {
  await using table = await newTable()
  await using pool = pgPool(() => newPool(), { grace: 60_000 })
  const ends: Promise<unknown>[] = []
  const failing = pool.transaction(async (tx) => {
    const insert = (v: number): Promise<unknown> =>
      tx.query(`insert into ${table.name} values (${v})`)
    const slowly = async (): Promise<void> => {
      await insert(1)
      await tx.query('select pg_sleep(60)')
      await insert(2)
    }
    const later = async (): Promise<void> => {
      await insert(3)
      await new Promise((resolve) => setTimeout(resolve, 30))
      await insert(4)
    }
    const branches = [slowly(), later(), Promise.reject(new Error('one of them'))]
    ends.push(...branches.map((branch) => branch.catch((error: unknown) => error)))
    await Promise.all(branches)
  })
  await assert.rejects(failing, { message: 'one of them' })
  await pool.transaction((next) => next.query(`insert into ${table.name} values (9)`))
  const [slow, late] = (await Promise.all(ends)) as { code?: string }[]
  assert.ok(['57014', 'ERR_DISPOSED'].includes(slow?.code ?? ''), slow?.code)
  assert.equal(late?.code, 'ERR_DISPOSED')
  assert.deepEqual(await table.values(), [9])
})

test('a request that ends while its branches still run refuses their later statements, naming its scope', async () => {
  await using wire = await Wire.start()
  const app = createApp()
  const resources = pgResources(() => newPool({ connectionString: wire.url }), { grace: 60_000 })
  const over = deferred()
  const late: Promise<unknown>[] = []
  const branch = async (connection: PgQueryable): Promise<void> => {
    await over.promise
    await connection.query("select 'too late'")
  }
  const request = app.run({ name: 'checkout' }, async (scope) => {
    const tx = await scope.get(resources.transaction)
    const connection = await scope.get(resources.connection)
    const branches = [branch(tx), branch(connection), Promise.reject(new Error('one of them'))]
    late.push(...branches.map((each) => each.catch((error: unknown) => error)))
    await Promise.all(branches)
  })
  await assert.rejects(request, { message: 'one of them' })
  const sent: string[] = []
  wire.onClientMessage = ({ bytes }) => void sent.push(String(bytes))
  over.resolve()
  for (const error of (await Promise.all(late)).slice(0, 2) as Error[]) {
    assertDisposed(error)
    assert.equal((error.cause as { code?: string }).code, 'ERR_SCOPE_CLOSED')
    assert.match((error.cause as Error).message, /"checkout"/)
  }
  assert.deepEqual(sent, [])
  await app.close()
})

test('a lease that was given to a scope is refused with that scope as the cause, too', async () => {
  await using pool = pgPool(() => newPool())
  await using app = createApp()
  const lease = await app.run({ name: 'report' }, async (scope: Scope) =>
    scope.use(await pool.acquire()),
  )
  await assert.rejects(lease.query('select 1'), (error: Error) => {
    assertDisposed(error)
    assert.equal((error.cause as { code?: string }).code, 'ERR_SCOPE_CLOSED')
    assert.match((error.cause as Error).message, /"report"/)
    return true
  })
  const own = await pool.acquire()
  await own[Symbol.asyncDispose]()
  await assert.rejects(own.query('select 1'), (error: Error) => {
    assert.equal(error.cause, undefined)
    return true
  })
})

test('statements that were started and not awaited are done before the COMMIT', async () => {
  await using table = await newTable()
  await using pool = pgPool(() => newPool())
  await pool.transaction(async (tx) => {
    for (const v of [1, 2, 3]) {
      void tx.query(`insert into ${table.name} select ${v} from pg_sleep(0.005)`)
    }
  })
  assert.deepEqual(await table.values(), [1, 2, 3])
  await assert.rejects(
    pool.transaction(async (tx) => {
      void tx.query(`insert into ${table.name} values (4)`)
      tx.query('select 1/0').catch(() => {})
    }),
    { code: 'ERR_PG_ROLLED_BACK' },
  )
  assert.deepEqual(await table.values(), [1, 2, 3])
})

test('what is asked while the COMMIT is on its way is refused, and never runs outside of the transaction', async () => {
  await using table = await newTable()
  await using pool = pgPool(() => newPool())
  await using lease = await pool.acquire()
  await using tx = await lease.begin()
  await tx.query(`insert into ${table.name} values (1)`)
  const commit = tx.commit()
  await assert.rejects(tx.query(`insert into ${table.name} values (2)`), disposed)
  await commit
  await assert.rejects(tx.query(`insert into ${table.name} values (3)`), disposed)
  assert.deepEqual(await table.values(), [1])
})

test('what comes after a commit in the same block is told of the commit, and what comes after the block of its release', async () => {
  await using app = createApp()
  const db = pgResources(() => newPool({ max: 1 }))
  const afterCommit = {
    ...disposed,
    message: /^The transaction was used after its commit\. .*begin/,
  }
  const tx = await app.run(async (scope) => {
    const transaction = await scope.get(db.transaction)
    await transaction.commit()
    await assert.rejects(transaction.query('select 1'), afterCommit)
    await assert.rejects(
      transactional(db, (part) => part.query('select 1')),
      afterCommit,
    )
    await scope.get(db.connection).then((connection) => connection.query('select 1'))
    return transaction
  })
  await assert.rejects(tx.query('select 1'), {
    ...disposed,
    message: /was used after its release\./,
  })
})

test('a promise that is returned without await out of its block is refused, or ended with the reason', async () => {
  await using pool = pgPool(() => newPool(), { grace: 60_000 })
  const careless = async (): Promise<unknown> => {
    await using lease = await pool.acquire()
    // oxlint-disable-next-line typescript/return-await -- the mistake that this is about
    return lease.query('select pg_sleep(60)')
  }
  await assert.rejects(careless(), (error: Error & { code?: string }) => {
    assert.equal(error.code, '57014')
    assertDisposed(error.cause)
    return true
  })
})

test('statements of many callers run one after another, and the driver never has two', async (t) => {
  const warnings: Error[] = []
  const listener = (warning: Error): number => warnings.push(warning)
  process.on('warning', listener)
  t.after(() => process.off('warning', listener))
  await using wire = await Wire.start()
  await using pool = pgPool(() => newPool({ connectionString: wire.url }))
  let running = 0
  let most = 0
  await using lease = await pool.acquire()
  wire.onClientMessage = ({ type }) => {
    if (type === 'Q') most = Math.max(most, (running += 1))
  }
  wire.holds = ({ type }) => {
    if (type === 'Z') running -= 1
    return false
  }
  await using tx = await lease.begin()
  await Promise.all(
    Array.from({ length: 30 }, async (_, n) => {
      const { rows } = await (n % 2 === 0 ? tx : lease).query(`select ${n} as n`)
      assert.deepEqual(rows, [{ n }])
    }),
  )
  await tx.commit()
  assert.equal(most, 1)
  await new Promise(setImmediate)
  assert.deepEqual(warnings, [])
})

test('a rollback refuses what waits in its line, on the lease as well, and ends what runs', async () => {
  await using table = await newTable()
  await using pool = pgPool(() => newPool(), { grace: 60_000 })
  await using lease = await pool.acquire()
  await using tx = await lease.begin()
  const running = assert.rejects(tx.query('select pg_sleep(60)'), { code: '57014' })
  const insert = `insert into ${table.name} values (1)`
  const waiting = [tx.query(insert), lease.query(insert)].map((each) =>
    assert.rejects(each, disposed),
  )
  await tx.rollback()
  await Promise.all([running, ...waiting])
  assert.deepEqual((await lease.query('select 1 as one')).rows, [{ one: 1 }])
  assert.deepEqual(await table.values(), [])
})

test("a savepoint's end that fails while its lease is released leaves the next holder's transaction alone", async () => {
  await using wire = await Wire.start()
  await using pool = pgPool(() => newPool({ connectionString: wire.url }), { grace: 60_000 })
  for (let round = 0; round < 20; round += 1) {
    const lease = await pool.acquire()
    const tx = await lease.begin()
    const savepoint = await tx.savepoint()
    await assert.rejects(savepoint.query('select 1/0'))
    const commit = assert.rejects(savepoint.commit())
    const released = lease[Symbol.asyncDispose]()
    const next = await pool.acquire()
    const nextTx = await next.begin()
    await Promise.all([commit, released])
    await nextTx.query('select 1')
    assert.equal(nextTx.state, 'open')
    await nextTx.commit()
    await next[Symbol.asyncDispose]()
  }
})

test('a savepoint whose end did not come before that of its transaction is told as rolled back', async () => {
  await using pool = pgPool(() => newPool())
  for (const end of ['rollback', 'release'] as const) {
    const lease = await pool.acquire()
    const tx = await lease.begin()
    const savepoint = await tx.savepoint()
    const running = tx.query('select pg_sleep(60)')
    const committing = savepoint.commit()
    const ending = end === 'rollback' ? tx.rollback() : lease[Symbol.asyncDispose]()
    await assert.rejects(committing, { code: 'ERR_DISPOSED' })
    assert.equal(savepoint.state, 'rolled back')
    await assert.rejects(running, { code: '57014' })
    await ending
    await lease[Symbol.asyncDispose]()
  }
})

test('a request that is left behind by a shutdown, and succeeds when its connection was taken, fails: it was rolled back', async () => {
  const db = pgResources(() => newPool(), { grace: 1 })
  await using app = createApp()
  const begun = Promise.withResolvers<void>()
  const over = Promise.withResolvers<void>()
  const request = app.run(async (scope) => {
    await (await scope.get(db.transaction)).query('select 1')
    begun.resolve()
    await over.promise
  })
  await begun.promise
  const { stuck } = await app.shutdown({ grace: 1, abortGrace: 1 })
  assert.equal(stuck.length, 1)
  over.resolve()
  await assert.rejects(request, { code: 'ERR_DISPOSED', message: /rolled back because its connec/ })
})

test('a body that succeeds, and whose pool was disposed meanwhile, rejects: nothing of it was kept', async () => {
  const pool = pgPool(() => newPool(), { grace: 1 })
  const outcome = pool.transaction(async (tx) => {
    await tx.query('select 1')
    await pool[Symbol.asyncDispose]()
    assert.equal(tx.state, 'rolled back')
  })
  await assert.rejects(outcome, { code: 'ERR_DISPOSED', message: /rolled back because its connec/ })
})
