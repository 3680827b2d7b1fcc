/** Query builders over a pool's `driver`, and over `asPool()` inside of somebody's transaction. No cast anywhere. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sql as drizzleSql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import { integer, pgTable } from 'drizzle-orm/pg-core'
import { Kysely, PostgresDialect, sql } from 'kysely'
import knex from 'knex'
import type pg from 'pg'
import Cursor from 'pg-cursor'
import { createApp } from 'unwind'
import { pgPool, pgResources } from 'unwind/pg'

import { backendOf, newPool, newTable, Observer, untilIdle } from './support/database.ts'

interface Database {
  [table: string]: { v: number }
}

type PoolLike = ConstructorParameters<typeof PostgresDialect>[0]['pool']

function kysely(pool: PoolLike): Kysely<Database> {
  return new Kysely<Database>({ dialect: new PostgresDialect({ pool, cursor: Cursor }) })
}

const column = sql<number>`n`.as('n')
const pid = sql<{ pid: number }>`select pg_backend_pid() as pid`

test('kysely: statements, transactions on one backend, and their rollback, over pool.driver', async () => {
  await using table = await newTable()
  await using pool = pgPool(() => newPool({ max: 3 }))
  const db = kysely(pool.driver)
  await db.insertInto(table.name).values({ v: 1 }).execute()
  assert.deepEqual(await db.selectFrom(table.name).selectAll().execute(), [{ v: 1 }])

  await Promise.all(
    [1, 2, 3, 4, 5, 6].map((n) =>
      db
        .transaction()
        .setIsolationLevel('serializable')
        .execute(async (trx) => {
          const pids = new Set<number>()
          for (let turn = 0; turn < 3; turn += 1) {
            const { rows } = await pid.execute(trx)
            pids.add(rows[0]?.pid ?? 0)
          }
          const { rows } = await sql<{ level: string }>`show transaction_isolation`.execute(trx)
          assert.equal(Object.values(rows[0] ?? {})[0], 'serializable')
          assert.equal(pids.size, 1)
          if (n % 2 === 0) await trx.insertInto(table.name).values({ v: n }).execute()
        }),
    ),
  )
  await assert.rejects(
    db.transaction().execute(async (trx) => {
      await trx.insertInto(table.name).values({ v: 100 }).execute()
      throw new Error('enough')
    }),
    /enough/,
  )
  await assert.rejects(
    db.transaction().execute(async (trx) => {
      await trx.insertInto(table.name).values({ v: 101 }).execute()
      await sql`select 1/0`.execute(trx).catch(() => {})
    }),
    { code: 'ERR_PG_ROLLED_BACK' },
  )
  assert.deepEqual(await table.values(), [1, 2, 4, 6])
  await untilIdle(pool)
  await db.destroy()
  await pool.query('select 1')
})

test('kysely: a stream over pool.driver is bounded, left early, and fails as it should', async () => {
  await using observer = await Observer.start()
  await using pool = pgPool(() => newPool())
  const db = kysely(pool.driver)
  const many = sql`(select n from generate_series(1, 100000) as n)`
  let seen = 0
  for await (const { n } of db.selectFrom(many.as('many')).select(column).stream(50)) {
    seen += 1
    assert.equal(n, seen)
    if (seen === 120) break
  }
  await untilIdle(pool)
  assert.equal(seen, 120)
  const failing = sql`(select 1 / (n - 70) as n from generate_series(1, 100) as n)`
  let before = 0
  await assert.rejects(
    async () => {
      for await (const _ of db.selectFrom(failing.as('f')).select(column).stream(10)) before += 1
    },
    { code: '22012' },
  )
  assert.equal(before, 60)

  // A dead connection ends a stream, and is not taken for its end.
  await assert.rejects(async () => {
    for await (const _ of db.selectFrom(many.as('many')).select(column).stream(10)) {
      const { rows } = await observer.query(
        "select pg_terminate_backend(pid) from pg_stat_activity where query like 'FETCH%' and application_name like $1",
        [`unwind ${process.pid}%`],
      )
      assert.ok(rows.length <= 1)
    }
  })
  await untilIdle(pool)
  await pool.query('select 1')
})

test('kysely: what a controlled transaction forgets is rolled back with its connection', async () => {
  await using table = await newTable()
  {
    await using pool = pgPool(() => newPool(), { grace: 50 })
    const db = kysely(pool.driver)
    const trx = await db.startTransaction().execute()
    await trx.insertInto(table.name).values({ v: 1 }).execute()
  }
  assert.deepEqual(await table.values(), [])
})

test('drizzle: statements, transactions on one backend, savepoints and rollbacks, over pool.driver', async () => {
  await using table = await newTable()
  const t = pgTable(table.name, { v: integer('v') })
  await using pool = pgPool(() => newPool({ max: 3 }))
  const db = drizzle(pool.driver)
  await db.insert(t).values({ v: 1 })
  assert.deepEqual(await db.select().from(t), [{ v: 1 }])
  await Promise.all(
    [1, 2, 3, 4, 5].map((n) =>
      db.transaction(
        async (tx) => {
          const pids = new Set<unknown>()
          for (let turn = 0; turn < 3; turn += 1) {
            const { rows } = await tx.execute(drizzleSql`select pg_backend_pid() as pid`)
            pids.add(rows[0]?.['pid'])
          }
          assert.equal(pids.size, 1)
          await tx.insert(t).values({ v: n * 10 })
          await tx
            .transaction(async (inner) => {
              await inner.insert(t).values({ v: n * 100 })
              throw new Error('inner')
            })
            .catch(() => {})
        },
        { isolationLevel: 'repeatable read', accessMode: 'read write' },
      ),
    ),
  )
  await assert.rejects(
    db.transaction(async (tx) => {
      await tx.insert(t).values({ v: 1000 })
      throw new Error('outer')
    }),
    /outer/,
  )
  assert.deepEqual(await table.values(), [1, 10, 20, 30, 40, 50])
  await untilIdle(pool)
})

test('drizzle: a BEGIN that fails with its connection costs no place in the pool, although its client is forgotten', async () => {
  const raw = newPool()
  await using pool = pgPool(() => raw, { grace: 0 })
  const idle = await raw.connect()
  idle.release()
  // It is broken, and nobody has noticed by then.
  idle.connection.stream.end()
  await assert.rejects(
    drizzle(pool.driver).transaction(async () => {}),
    /Failed query: begin/,
  )
  assert.deepEqual((await pool.query('select 1 as one')).rows, [{ one: 1 }])
})

test('both: over asPool() inside of the request’s transaction, everything commits or rolls back together', async () => {
  await using table = await newTable()
  const t = pgTable(table.name, { v: integer('v') })
  await using app = createApp()
  const db = pgResources(() => newPool({ max: 1 }))
  const work = async (fail: boolean): Promise<void> => {
    await app.run(async (scope) => {
      const tx = await scope.get(db.transaction)
      const k = kysely(tx.asPool())
      const d = drizzle(tx.asPool<pg.Pool>())
      const backend = await backendOf(tx)
      assert.equal((await pid.execute(k)).rows[0]?.pid, backend)
      await k.insertInto(table.name).values({ v: 1 }).execute()
      await k.transaction().execute(async (trx) => {
        assert.equal((await pid.execute(trx)).rows[0]?.pid, backend)
        await trx.insertInto(table.name).values({ v: 2 }).execute()
      })
      await assert.rejects(
        k.transaction().execute(async (trx) => {
          await trx.insertInto(table.name).values({ v: 3 }).execute()
          throw new Error('a part')
        }),
        /a part/,
      )
      await d.transaction(async (inner) => {
        await inner.insert(t).values({ v: 4 })
        await inner.transaction(async (innermost) => {
          await innermost.insert(t).values({ v: 5 })
        })
      })
      let streamed = 0
      for await (const _ of k.selectFrom(table.name).selectAll().stream(2)) {
        streamed += 1
        await k.selectFrom(table.name).selectAll().execute()
      }
      assert.equal(streamed, 4)
      await k.destroy()
      assert.equal(tx.state, 'open')
      if (fail) throw new Error('the request')
    })
  }
  await assert.rejects(work(true), /the request/)
  assert.deepEqual(await table.values(), [])
  await work(false)
  assert.deepEqual(await table.values(), [1, 2, 4, 5])
})

test('knex: over clients of pool.driver, and on a connection of somebody’s transaction', async () => {
  await using table = await newTable()
  await using pool = pgPool(() => newPool({ max: 2 }))
  const db = knex({ client: 'pg' })
  db.client.acquireConnection = () => pool.driver.connect()
  db.client.releaseConnection = async (client: pg.PoolClient) => client.release()
  const backend = db.raw('pg_backend_pid() as pid')
  await db.transaction(async (trx) => {
    const [one] = await trx.select(backend)
    const [two] = await trx.select(backend)
    assert.deepEqual(one, two)
    await trx(table.name).insert({ v: 1 })
  })
  const failing = db.transaction(async (trx) => {
    await trx(table.name).insert({ v: 2 })
    throw new Error('enough')
  })
  await assert.rejects(failing, /enough/)
  let seen = 0
  for await (const _ of db.select('*').from(db.raw('generate_series(1, 1000)')).stream()) {
    seen += 1
    if (seen === 150) break
  }
  await untilIdle(pool)
  await using lease = await pool.acquire()
  await using tx = await lease.begin()
  const client = await tx.asPool<pg.Pool>().connect()
  await db(table.name).connection(client).insert({ v: 3 })
  assert.deepEqual(await db.select(backend).connection(client), [{ pid: await backendOf(tx) }])
  await tx.commit()
  assert.deepEqual(await table.values(), [1, 3])
  await db.destroy()
})

test('the modes that a builder begins with are those of its transaction', async () => {
  await using pool = pgPool(() => newPool())

  const shown = async (trx: { execute(query: ReturnType<typeof drizzleSql>): Promise<unknown> }) =>
    trx.execute(drizzleSql`show transaction_read_only`)
  const { rows } = (await drizzle(pool.driver).transaction(shown, {
    isolationLevel: 'serializable',
    accessMode: 'read only',
    deferrable: true,
  })) as pg.QueryResult
  assert.deepEqual(rows, [{ transaction_read_only: 'on' }])
  const db = kysely(pool.driver)
  const begun = db.transaction().setIsolationLevel('serializable').setAccessMode('read only')
  const result = await begun.execute((trx) => sql`show transaction_read_only`.execute(trx))
  assert.deepEqual(result.rows, [{ transaction_read_only: 'on' }])
  assert.equal(pool.stats().leased, 0)
})

test('over asPool() a transaction that was left open is over before the next one, whoever leaves after it', async () => {
  await using pool = pgPool(() => newPool())
  await using lease = await pool.acquire()
  const ofLease = lease.asPool<pg.Pool>()
  const [leaves, other] = await Promise.all([ofLease.connect(), ofLease.connect()])
  await leaves.query('begin')
  leaves.release()
  other.release()
  const next = await ofLease.connect()
  await next.query('begin')
  await next.query('commit')
  next.release()
})

test('over asPool() of a lease the second of two transactions is refused, which the first could undo after its commit', async () => {
  await using pool = pgPool(() => newPool())
  await using lease = await pool.acquire()
  const ofLease = lease.asPool<pg.Pool>()
  const [first, second] = await Promise.all([ofLease.connect(), ofLease.connect()])
  const begun = first.query('begin') // has no answer yet
  await assert.rejects(second.query('begin'), { code: 'ERR_PG_TRANSACTION_OPEN' })
  await begun
  await first.query('rollback')
  await second.query('begin')
})
