/** PgBouncer: what can work through it works, and what cannot is refused before it does harm. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Kysely, PostgresDialect, sql } from 'kysely'
import type pg from 'pg'
import { pgPool, type PgPool, type PgPoolOptions } from 'unwind/pg'

import { backendOf, newPool, newTable, Observer } from './support/database.ts'
import { missingPgBouncer, startPgBouncer, type PgBouncer } from './support/pgbouncer.ts'

const skip = missingPgBouncer() ?? false

function through(bouncer: PgBouncer, options?: PgPoolOptions): PgPool<pg.Pool> & AsyncDisposable {
  return pgPool(() => newPool({ connectionString: bouncer.url, max: 6 }), options)
}

/**
 * Use both sessions of the server once. At that PgBouncer gives them the parameters of the client (its name), with a
 * statement of its own; and it closes a client whose cancel hits that (1.18: "invalid server parameter").
 */
async function introduce(pool: PgPool): Promise<void> {
  await using one = await pool.acquire()
  await using other = await pool.acquire()
  await using _first = await one.begin()
  await using _second = await other.begin()
}

test(
  'transaction pooling: more clients than sessions, and every transaction stays on one',
  { skip },
  async () => {
    await using bouncer = await startPgBouncer('transaction')
    await using table = await newTable()
    await using pool = through(bouncer, { transactionPooling: true })
    const seen = new Set<number>()
    await Promise.all(
      Array.from({ length: 30 }, async (_, n) => {
        await using lease = await pool.acquire()
        await using tx = await lease.begin({ isolation: 'repeatable read' })
        const pids = [await backendOf(tx), await backendOf(tx), await backendOf(lease)]
        assert.equal(new Set(pids).size, 1)
        for (const pid of pids) seen.add(pid)
        await tx.query(`insert into ${table.name} values ($1)`, [n])
        if (n % 3 === 0) await tx.rollback()
        else if (n % 3 === 1) await tx.commit()
      }),
    )
    assert.ok(seen.size <= 2)
    assert.equal((await table.values()).length, 10)
  },
)

test(
  'transaction pooling: cursors, locks of transactions, and query builders work',
  { skip },
  async () => {
    await using bouncer = await startPgBouncer('transaction')
    await using pool = through(bouncer, { transactionPooling: true })
    await using lease = await pool.acquire()
    await using tx = await lease.begin()
    await using alone = await pool.acquire()
    for (const owner of [alone, tx]) {
      let seen = 0
      for await (const _ of owner.cursor('select generate_series(1, 1000)', [], { batch: 10 })) {
        seen += 1
        if (seen === 95) break
      }
      assert.equal(seen, 95)
    }
    await tx.advisoryLock('bouncer')
    const db = new Kysely({ dialect: new PostgresDialect({ pool: pool.driver }) })
    const other = await db.transaction().execute(async (trx) => {
      const { rows } = await sql<{ free: boolean }>`select pg_try_advisory_xact_lock(
      ('x' || left(encode(sha256('bouncer'), 'hex'), 16))::bit(64)::bigint) as free`.execute(trx)
      return rows
    })
    assert.deepEqual(other, [{ free: false }])
  },
)

test(
  'transaction pooling: a cancel reaches its own statement, and no other',
  { skip },
  async () => {
    await using bouncer = await startPgBouncer('transaction')
    await using observer = await Observer.start()
    await using pool = through(bouncer, { transactionPooling: true, grace: 60_000 })
    await introduce(pool)
    const reason = new Error('enough')
    let cancelled = 0
    await Promise.all(
      [1, 2, 3].map(async () => {
        for (let turn = 0; turn < 10; turn += 1) {
          await using lease = await pool.acquire()
          const controller = new AbortController()
          const sleeping = lease.query('select pg_sleep(60) as bounced', [], {
            signal: controller.signal,
          })
          setImmediate(() => controller.abort(reason))
          await assert.rejects(sleeping, (error) => error === reason)
          cancelled += 1
          assert.deepEqual((await lease.query('select 1 as n')).rows, [{ n: 1 }])
        }
      }),
    )
    assert.equal(cancelled, 30)
    const { rows } = await observer.query(
      "select count(*)::int as n from pg_stat_activity where query like 'select pg_sleep(60) as bounced%' and state = 'active'",
    )
    assert.deepEqual(rows, [{ n: 0 }])
  },
)

test(
  'transaction pooling: what needs a session is refused before it is sent, and says what to do',
  { skip },
  async () => {
    await using bouncer = await startPgBouncer('transaction')
    await using pool = through(bouncer, { transactionPooling: true })
    await using lease = await pool.acquire()
    const refused = {
      name: 'PgTransactionPoolingError',
      code: 'ERR_PG_TRANSACTION_POOLING',
      message: /transactionPooling/,
    }
    await assert.rejects(pool.listen('a'), refused)
    await assert.rejects(lease.advisoryLock(1), refused)
    await assert.rejects(lease.tryAdvisoryLock(1), refused)
    await using tx = await lease.begin()
    const statements = [
      "set statement_timeout = '1s'",
      "/* why */ SET SESSION statement_timeout = '1s'",
      "select 1; set search_path to 'x'",
      'reset all',
      'discard all',
      "select set_config('a.b', 'c', false)",
      "select set_config('a.b', $1, $2)",
      `select pg_catalog."set_config"('a.b', 'c', false)`,
      "update pg_settings set setting = 'c' where name = 'a.b'",
      'select pg_advisory_lock(1)',
      'select "pg_advisory_lock"(1)',
      'select pg_try_advisory_lock(1)',
      'LISTEN a',
      'unlisten *',
      'prepare p as select 1',
      'declare c cursor with hold for select 1',
      'create temp table t (v int)',
      'create or replace temporary view v as select 1',
      'select 1 as v into temporary t',
    ]
    for (const text of statements) {
      for (const owner of [pool, lease, tx]) await assert.rejects(owner.query(text), refused, text)
      await assert.rejects(lease.cursor(text).read(1), refused, text)
      await assert.rejects(pool.driver.query(text), refused, text)
    }
    const allowed = [
      "set local statement_timeout = '1s'",
      'set transaction read write',
      "select set_config('a.b', 'c', true)",
      `select "set_config"('a.b', 'c', true) as "set_config('a.b', 'c', false)"`,
      `select 1 as "create temp table", 2 as "set"`,
      'select pg_advisory_xact_lock(1)',
      "select 'set x; listen a; pg_advisory_lock(1)' as text -- set x",
      'select $$; set x$$ as text',
      'create temp table t (v int) on commit drop',
      "notify a, 'b'",
    ]
    for (const text of allowed) await tx.query(text)
    assert.equal(tx.state, 'open')
  },
)

test('session pooling: everything works as with the server itself', { skip }, async () => {
  await using bouncer = await startPgBouncer('session')
  await using observer = await Observer.start()
  await using pool = through(bouncer)
  {
    await using lease = await pool.acquire()
    await using lock = await lease.advisoryLock('through the bouncer')
    assert.equal(lock.signal.aborted, false)
    await using other = await pool.acquire()
    assert.equal(await other.tryAdvisoryLock('through the bouncer'), undefined)
    await lease.query("set statement_timeout = '7s'")
  }
  const { rows } = await pool.query("select current_setting('statement_timeout') as timeout")
  assert.deepEqual(rows, [{ timeout: '0' }])
  await using subscription = await pool.listen('bouncer channel')
  await observer.query("select pg_notify('bouncer channel', 'hello')")
  for await (const notification of subscription) {
    assert.deepEqual(notification, { payload: 'hello' })
    break
  }
})
