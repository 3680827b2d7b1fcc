/** Transactions: begun as asked, ended once, and honest about how. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pgPool, type PgTransaction } from 'unwind/pg'

import { backendOf, newPool, newTable } from './support/database.ts'

const disposed = { name: 'DisposedError', code: 'ERR_DISPOSED' }
const open = { name: 'PgTransactionOpenError', code: 'ERR_PG_TRANSACTION_OPEN' }

test('a transaction is begun with the isolation, the access and the patience that were asked for', async () => {
  await using pool = pgPool(() => newPool())
  for (const isolation of ['read committed', 'repeatable read', 'serializable'] as const) {
    for (const flag of [true, false, undefined]) {
      const options = {
        isolation,
        ...(flag !== undefined && { readOnly: flag, deferrable: flag }),
      }
      const { rows } = await pool.transaction(options, (tx) =>
        tx.query(`select current_setting('transaction_isolation') as isolation,
          current_setting('transaction_read_only') as "readOnly",
          current_setting('transaction_deferrable') as deferrable`),
      )
      const setting = flag === true ? 'on' : 'off'
      assert.deepEqual(rows, [{ isolation, readOnly: setting, deferrable: setting }])
    }
  }
})

test('what is committed stays, and what is not is rolled back on dispose', async () => {
  await using table = await newTable()
  await using pool = pgPool(() => newPool())
  await using lease = await pool.acquire()
  {
    await using tx = await lease.begin()
    await tx.query(`insert into ${table.name} values (1)`)
    assert.equal(tx.state, 'open')
    await tx.commit()
    assert.equal(tx.state, 'committed')
  }
  {
    await using tx = await lease.begin()
    await tx.query(`insert into ${table.name} values (2)`)
  }
  assert.deepEqual(await table.values(), [1])
})

test('a transaction is refused while another one is open on its connection, however it was begun', async () => {
  await using pool = pgPool(() => newPool())
  await using lease = await pool.acquire()
  const tx = await lease.begin()
  await assert.rejects(lease.begin(), open)
  await tx.rollback()
  await lease.query('begin')
  await assert.rejects(lease.begin(), open)
  await lease.query('rollback')
  await using _tx = await lease.begin()
})

test('a COMMIT that the server turned into a ROLLBACK rejects with what had failed', async () => {
  await using table = await newTable()
  await using pool = pgPool(() => newPool())
  await using lease = await pool.acquire()
  const tx = await lease.begin()
  await tx.query(`insert into ${table.name} values (1)`)
  await assert.rejects(tx.query('select 1/0'), { code: '22012' })
  assert.equal(tx.state, 'failed')
  const commitAll = async (): Promise<void> => {
    await tx.commit()
  }
  await assert.rejects(commitAll(), (error: Error & { code?: string }) => {
    assert.equal(error.name, 'PgTransactionRolledBackError')
    assert.equal(error.code, 'ERR_PG_ROLLED_BACK')
    assert.match(error.stack ?? '', /commitAll/, 'it leads to whoever commits')
    assert.equal((error.cause as { code?: string }).code, '22012')
    return true
  })
  assert.equal(tx.state, 'rolled back')
  await tx[Symbol.asyncDispose]()
  assert.deepEqual(await table.values(), [])
  await lease[Symbol.asyncDispose]()
  await assert.rejects(
    pool.transaction(async (swallowing) => {
      await swallowing.query('select 1/0').catch(() => {})
    }),
    { code: 'ERR_PG_ROLLED_BACK' },
  )
})

test("a COMMIT that fails rejects with the server's error, and the connection goes on", async () => {
  await using pool = pgPool(() => newPool())
  await using lease = await pool.acquire()
  const pid = await backendOf(lease)
  await lease.query(`create temp table parent (id int primary key);
    create temp table child (id int references parent deferrable initially deferred)`)
  await using tx = await lease.begin()
  await tx.query('insert into child values (1)')
  await assert.rejects(tx.commit(), { code: '23503' })
  assert.equal(tx.state, 'rolled back')
  await using _next = await lease.begin()
  assert.equal(await backendOf(lease), pid)
})

test('savepoints end one by one: what is committed stays in the transaction, what is not is undone', async () => {
  await using table = await newTable()
  await using pool = pgPool(() => newPool())
  const insert = (tx: PgTransaction, v: number): Promise<unknown> =>
    tx.query(`insert into ${table.name} values (${v})`)
  await pool.transaction(async (tx) => {
    await insert(tx, 1)
    {
      await using kept = await tx.savepoint()
      await insert(kept, 2)
      {
        await using undone = await kept.savepoint()
        await insert(undone, 3)
        await assert.rejects(undone.query('select 1/0'))
        assert.equal(undone.state, 'failed')
      }
      assert.equal(tx.state, 'open')
      await insert(kept, 4)
      await kept.commit()
    }
    {
      await using failed = await tx.savepoint()
      await insert(failed, 5)
      await failed.query('select 1/0').catch(() => {})
      await assert.rejects(failed.commit(), { code: 'ERR_PG_ROLLED_BACK' })
      assert.equal(failed.state, 'rolled back')
    }
    await insert(tx, 6)
  })
  assert.deepEqual(await table.values(), [1, 2, 4, 6])
})

test('savepoints are one at a time, and a transaction with one open cannot commit', async () => {
  await using pool = pgPool(() => newPool())
  await using lease = await pool.acquire()
  await using tx = await lease.begin()
  const [one, two] = await Promise.allSettled([tx.savepoint(), tx.savepoint()])
  assert.equal(one.status, 'fulfilled')
  assert.equal(two.status, 'rejected')
  assert.equal((two.reason as { code?: string }).code, 'ERR_PG_TRANSACTION_OPEN')
  await assert.rejects(tx.commit(), open)
  await assert.rejects(tx.commit(), /cannot commit while a savepoint of it is open/)
  assert.equal(tx.state, 'open')
  await tx.rollback()
  const savepoint = (one as PromiseFulfilledResult<PgTransaction>).value
  assert.equal(savepoint.state, 'rolled back')
  await assert.rejects(savepoint.query('select 1'), disposed)
})

test('a savepoint takes no name, and says so before it is one', async () => {
  await using pool = pgPool(() => newPool())
  await using lease = await pool.acquire()
  await using tx = await lease.begin()
  const savepoint = tx.savepoint.bind(tx) as (name: unknown) => Promise<unknown>
  for (const name of ['before', null, {}]) {
    await assert.rejects(savepoint(name), {
      name: 'TypeError',
      message: /argument of savepoint\(\) to be left out/,
    })
  }
  await using inner = await tx.savepoint()
  await inner.commit()
})

test('callbacks run after the commit, in order, and not after any other end', async () => {
  await using pool = pgPool(() => newPool())
  const ran: string[] = []
  await pool.transaction(async (tx) => {
    tx.afterCommit(() => ran.push('first'))
    {
      await using released = await tx.savepoint()
      released.afterCommit(async () => {
        await Promise.resolve()
        ran.push('released')
      })
      await released.commit()
    }
    {
      await using undone = await tx.savepoint()
      undone.afterCommit(() => ran.push('undone'))
    }
    assert.equal(ran.length, 0)
    tx.afterCommit(() => ran.push('last'))
  })
  assert.deepEqual(ran, ['first', 'released', 'last'])
  const failed = pool.transaction((tx) => {
    tx.afterCommit(() => ran.push('never'))
    assert.throws(() => tx.afterCommit(7 as never), { name: 'TypeError', message: /afterCommit/ })
    throw new Error('no')
  })
  await assert.rejects(failed, { message: 'no' })
  assert.deepEqual(ran, ['first', 'released', 'last'])
})

test('a savepoint hands its callbacks on, however many they are', async () => {
  await using pool = pgPool(() => newPool(), { grace: 60_000 })
  let calls = 0
  await pool.transaction(async (tx) => {
    await using savepoint = await tx.savepoint()
    for (let count = 0; count < 200_000; count += 1) savepoint.afterCommit(() => (calls += 1))
    await savepoint.commit()
  })
  assert.equal(calls, 200_000)
})

test('a callback may ask the pool for a connection, although there is no other than that of its transaction', async () => {
  await using pool = pgPool(() => newPool({ max: 1, connectionTimeoutMillis: 60_000 }))
  const seen: unknown[] = []
  const result = await pool.transaction((tx) => {
    tx.afterCommit(async () => seen.push((await pool.query('select 1 as one')).rows))
    tx.afterCommit(() => pool.transaction(async (next) => seen.push(next.state)))
    return 'done'
  })
  assert.equal(result, 'done')
  assert.deepEqual(seen, [[{ one: 1 }], 'open'])
})

test('a callback that fails is told, stops no other, and neither undoes nor repeats the commit', async () => {
  await using table = await newTable()
  await using pool = pgPool(() => newPool())
  const ran: number[] = []
  let runs = 0
  const committing = pool.transaction({ retry: 3 }, async (tx) => {
    runs += 1
    await tx.query(`insert into ${table.name} values (1)`)
    tx.afterCommit(() => {
      throw Object.assign(new Error('told'), { code: '40001' })
    })
    tx.afterCommit(() => ran.push(1))
  })
  await assert.rejects(committing, { message: 'told' })
  assert.deepEqual([runs, ran], [1, [1]])
  assert.deepEqual(await table.values(), [1])
})

test('the end of a transaction is one: repeated it is the same, and the other one is refused', async () => {
  await using pool = pgPool(() => newPool())
  await using lease = await pool.acquire()
  const committed = await lease.begin()
  await Promise.all([committed.commit(), committed.commit()])
  await committed.commit()
  await committed[Symbol.asyncDispose]()
  await assert.rejects(committed.rollback(), disposed)
  const rolledBack = await lease.begin()
  await Promise.all([rolledBack.rollback(), rolledBack.rollback()])
  await rolledBack.rollback()
  await assert.rejects(rolledBack.commit(), disposed)
  await assert.rejects(rolledBack.query('select 1'), disposed)
  await assert.rejects(rolledBack.savepoint(), disposed)
  assert.throws(() => rolledBack.afterCommit(() => {}), disposed)
})

test('a body that ends its transaction itself is believed', async () => {
  await using table = await newTable()
  await using pool = pgPool(() => newPool())
  const insert = `insert into ${table.name} values (1)`
  await pool.transaction(async (tx) => {
    await tx.query(insert)
    await tx.rollback()
  })
  assert.deepEqual(await table.values(), [])
  const failed = pool.transaction(async (tx) => {
    await tx.query(insert)
    await tx.commit()
    throw new Error('afterwards')
  })
  await assert.rejects(failed, { message: 'afterwards' })
  assert.deepEqual(await table.values(), [1])
})

test('transaction() gives what the body gives, and refuses what is no body and no option', async () => {
  await using pool = pgPool(() => newPool())
  assert.equal(await pool.transaction(() => 5), 5)
  assert.equal(await pool.transaction({ retry: 2 }, async () => 'six'), 'six')
  const transaction = pool.transaction.bind(pool) as (...parameters: unknown[]) => Promise<unknown>
  const seven = (): number => 7
  assert.equal(await transaction(undefined, seven), 7)
  await assert.rejects(transaction({}), { name: 'TypeError', message: /transaction\(\)/ })
  await assert.rejects(transaction(undefined), { name: 'TypeError', message: /received undefined/ })
  const isolation = { isolation: 'serializable' }
  await assert.rejects(
    transaction(() => {}, isolation),
    { name: 'TypeError', message: /options of transaction\(\) to be its first argument/ },
  )
  await assert.rejects(
    transaction({ retries: 1 }, () => {}),
    { name: 'TypeError', message: /`retries`/ },
  )
  await assert.rejects(
    transaction({ retry: -1 }, () => {}),
    { name: 'TypeError', message: /`retry`/ },
  )
  assert.equal(pool.stats().leased, 0)
})
