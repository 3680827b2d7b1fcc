/** A transaction that a statement ends instead of its handle: nothing that was meant for it runs outside of it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type pg from 'pg'
import { createApp, formatError } from 'unwind'
import { pgPool, pgResources, transactional, type PgLease } from 'unwind/pg'

import { newPool, newTable } from './support/database.ts'

const refused = { code: 'ERR_PG_TRANSACTION_OPEN', message: /not sent.*commit\(\) or rollback\(\)/ }
const ended = { code: 'ERR_PG_TRANSACTION_ENDED' }

const ends = [
  'commit',
  'COMMIT WORK;',
  '/* why */ end',
  '-- why\ncommit and chain',
  ';rollback',
  'abort transaction',
  "prepare transaction 'x'",
  `select ';'; /* ; */ rollback and no chain -- now`,
  'select $$ begin $$; commit; begin',
  'select 1 as a$b$c; commit',
  'create function f() returns int language sql begin atomic select 1; end; commit',
]

test('the text of an end is refused before it is sent, and the transaction goes on', async () => {
  await using table = await newTable()
  await using pool = pgPool(() => newPool())
  await using lease = await pool.acquire()
  const insert = `insert into ${table.name} values (1)`
  for (const text of ends) {
    await using tx = await lease.begin()
    await using savepoint = await tx.savepoint()
    for (const on of [tx, lease, savepoint]) {
      await assert.rejects(on.query(`${insert}; ${text}`), refused, text)
      await assert.rejects(on.query({ text }), refused, text)
      await assert.rejects(on.cursor(text).read(1), refused, text)
    }
    assert.equal(tx.state, 'open')
    assert.deepEqual((await tx.query(`select * from ${table.name}`)).rows, [])
  }
  assert.deepEqual(await table.values(), [])
  await lease[Symbol.asyncDispose]()
  await assert.rejects(
    pool.transaction(async (tx) => {
      await tx.query(insert)
      await tx.query('commit')
    }),
    refused,
  )
  assert.deepEqual(await table.values(), [])
})

test('what only looks like an end is sent', async () => {
  await using table = await newTable()
  await using pool = pgPool(() => newPool())
  const insert = `insert into ${table.name} values (1)`
  await pool.transaction(async (tx) => {
    await tx.query(insert)
    await tx.query('savepoint mine')
    await tx.query(insert)
    await tx.query('rollback to savepoint mine')
    await tx.query('rollback work to mine; release mine')
    await tx.query(
      `do $$ begin perform 1; end; $$; select 'a; commit', "end" from (select 1 as "end") e;`,
    )
    await tx.query(`-- commit;
      select case when true then 1 end; /* ; rollback */`)
    await tx.query(`create function pg_temp.two() returns int language sql
      begin atomic select 1; select case when true then 2 end; end`)
  })
  assert.deepEqual(await table.values(), [1])
  // Who begins by text may end by text.
  await using lease = await pool.acquire()
  await lease.query('begin')
  await lease.query(insert)
  await lease.query('commit')
  await lease.query(`begin; ${insert}; commit`)
  assert.deepEqual(await table.values(), [1, 1, 1])
})

/** Sent while the BEGIN is on its way, when there is no transaction yet that could be protected. */
const unseen: readonly (readonly [text: string, state: string, kept: number])[] = [
  ['insert; commit', 'committed', 1],
  ['insert; commit; begin', 'committed', 1],
  ['insert; rollback', 'rolled back', 0],
  ['insert; rollback; begin', 'rolled back', 0],
  ['insert; savepoint s; rollback to s; commit', 'failed', 1],
  ['insert; commit; select 1/0', 'failed', 1],
]

for (const [text, state, kept] of unseen) {
  test(`after "${text}" nothing more is sent, and the transaction tells how it ended`, async () => {
    await using table = await newTable()
    await using pool = pgPool(() => newPool())
    await using lease = await pool.acquire()
    const insert = `insert into ${table.name} values (1)`
    const beginning = lease.begin()
    const ending = lease.query(text.replace('insert', insert))
    const waiting = lease.query(insert)
    const tx = await beginning
    const savepoint = tx.savepoint()
    if (text.includes('/')) await assert.rejects(ending, { code: '22012' })
    else await ending
    await assert.rejects(waiting, ended)
    await assert.rejects(savepoint, ended)
    assert.equal(tx.state, state)
    await assert.rejects(tx.query(insert), ended)
    await assert.rejects(tx.commit(), ended)
    if (state === 'rolled back') await tx.rollback()
    else await assert.rejects(tx.rollback(), ended)
    await tx[Symbol.asyncDispose]()
    assert.deepEqual(await table.values(), Array<number>(kept).fill(1))
    await lease[Symbol.asyncDispose]()
    await using next = await pool.acquire()
    await using _clean = await next.begin()
  })
}

async function endDirectly(lease: PgLease, text: string): Promise<void> {
  const client = lease.unsafeClient() as pg.ClientBase
  await client.query(text)
}

test('an end by the client of the driver is noticed, and told to whoever ends the transaction', async () => {
  await using table = await newTable()
  await using pool = pgPool(() => newPool())
  const insert = `insert into ${table.name} values (1)`
  await using lease = await pool.acquire()
  const tx = await lease.begin()
  await tx.query(insert)
  await using savepoint = await tx.savepoint()
  await endDirectly(lease, 'commit')
  assert.equal(tx.state, 'failed')
  assert.equal(savepoint.state, 'failed')
  await assert.rejects(savepoint.query(insert), ended)
  await tx[Symbol.asyncDispose]()

  const quiet = await lease.begin()
  await endDirectly(lease, 'commit')
  await assert.rejects(async () => quiet[Symbol.asyncDispose](), ended)
  await quiet[Symbol.asyncDispose]()
  const committing = await lease.begin()
  await endDirectly(lease, 'rollback')
  await assert.rejects(committing.commit(), ended)
  assert.deepEqual(await table.values(), [1])
  // The connection is as good as before.
  await using _next = await lease.begin()
})

test('a request whose transaction was ended by a statement is told, whatever became of it', async () => {
  await using table = await newTable()
  await using app = createApp()
  const db = pgResources(() => newPool())
  const request = (text: string, fail: boolean): Promise<void> =>
    app.run(async (scope) => {
      const tx = await scope.get(db.transaction)
      await tx.query(`insert into ${table.name} values (1)`)
      await endDirectly(await scope.get(db.connection), text)
      if (fail) throw new Error('the request')
    })
  await assert.rejects(request('rollback', false), ended)
  assert.deepEqual(await table.values(), [])
  await assert.rejects(request('commit', false), ended)
  await assert.rejects(request('commit', true), (error: Error) => {
    assert.match(formatError(error), /the request[^]*instead of by its handle/)
    return true
  })
  assert.deepEqual(await table.values(), [1, 1])

  const nested = app.run(async (scope) => {
    await scope.get(db.transaction)
    await transactional(db, { propagation: 'nested' }, async () => {
      await endDirectly(await scope.get(db.connection), 'commit')
    })
  })
  await assert.rejects(nested, ended)
})

test('a savepoint that a statement ended takes its transaction with it: nothing of it is kept', async () => {
  await using table = await newTable()
  await using pool = pgPool(() => newPool())
  const insert = `insert into ${table.name} values (1)`
  for (const end of ['commit', 'rollback'] as const) {
    await using lease = await pool.acquire()
    await using tx = await lease.begin()
    await tx.query(insert)
    await tx.query('savepoint mine')
    const savepoint = await tx.savepoint()
    await savepoint.query(insert)
    await savepoint.query('rollback to mine')
    await savepoint.query(insert)
    if (end === 'commit') await assert.rejects(savepoint.commit(), { code: '3B001' })
    else await savepoint.rollback()
    await assert.rejects(tx.query(insert), { code: 'ERR_PG_CONNECTION_LOST' })
    await assert.rejects(tx.commit(), { code: 'ERR_PG_CONNECTION_LOST' })
  }
  assert.deepEqual(await table.values(), [])
})
