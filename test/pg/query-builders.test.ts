/** Query builders over a pool's `driver`, and over `asPool()` inside of somebody's transaction. No cast anywhere. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sql as drizzleSql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import { integer, pgTable } from 'drizzle-orm/pg-core'
import { Kysely, PostgresDialect, sql } from 'kysely'
import knex from 'knex'
import pg from 'pg'
import Cursor from 'pg-cursor'
import QueryStream from 'pg-query-stream'
import { createApp } from 'unwind'
import { pgPool, pgResources, type PgLease, type PgPool } from 'unwind/pg'

import { backendOf, newPool, newTable, Observer, until } from './support/database.ts'

interface Database {
  [table: string]: { v: number }
}

type PoolLike = ConstructorParameters<typeof PostgresDialect>[0]['pool']

function kysely(pool: PoolLike): Kysely<Database> {
  return new Kysely<Database>({ dialect: new PostgresDialect({ pool, cursor: Cursor }) })
}

const disposed = { code: 'ERR_DISPOSED' }
const column = sql<number>`n`.as('n')
const pid = sql<{ pid: number }>`select pg_backend_pid() as pid`

async function idle(pool: PgPool): Promise<void> {
  await until(() => pool.stats().leased === 0, 'nothing is leased')
}

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
  await idle(pool)
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
  await idle(pool)
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
  await idle(pool)
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
  await idle(pool)
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
  await idle(pool)
  await using lease = await pool.acquire()
  await using tx = await lease.begin()
  const client = await tx.asPool<pg.Pool>().connect()
  await db(table.name).connection(client).insert({ v: 3 })
  assert.deepEqual(await db.select(backend).connection(client), [{ pid: await backendOf(tx) }])
  await tx.commit()
  assert.deepEqual(await table.values(), [1, 3])
  await db.destroy()
})

test('over asPool() nobody ends a transaction that somebody else began, and none is mixed with another', async () => {
  await using pool = pgPool(() => newPool())
  await using lease = await pool.acquire()
  await using tx = await lease.begin()
  const open = { code: 'ERR_PG_TRANSACTION_OPEN' }
  for (const owner of [tx, lease]) {
    const client = await owner.asPool<pg.Pool>().connect()
    await assert.rejects(client.query('commit'), open)
    await assert.rejects(client.query('ROLLBACK'), open)
    await client.query('begin')
    await assert.rejects(client.query('begin'), open)
    const other = await owner.asPool<pg.Pool>().connect()
    await assert.rejects(other.query('begin'), open)
    await client.query('commit')
    await assert.rejects(client.query('begin isolation level serializable'), {
      name: 'TypeError',
      message: /`isolation` of BEGIN.*'read committed'.*'serializable'/,
    })
    await client.query('begin isolation level read committed read write')
    client.release()
    await assert.rejects(client.query('select 1'), disposed)
    await tx.query('select 1')
  }
  assert.equal(tx.state, 'open')
})

const levels = ['read uncommitted', 'read committed', 'repeatable read', 'serializable']
const modes = ['', 'read only', 'read write', 'deferrable', 'not deferrable']

test('every isolation level with every other mode is understood, whatever stands between them', async () => {
  await using pool = pgPool(() => newPool())
  const asked = levels.flatMap((level) =>
    modes.flatMap((mode) =>
      [', ', ' ', '\n'].map((between) => ({ level, mode, text: level + between + mode })),
    ),
  )
  const client = await pool.driver.connect()
  for (const { level, mode, text } of asked) {
    await client.query(`start transaction isolation level ${text.replace(/,?\s+$/, '')}`)
    const { rows } = await client.query<Record<string, string>>(`select
      current_setting('transaction_isolation') as level,
      current_setting('transaction_read_only') as "readOnly",
      current_setting('transaction_deferrable') as deferrable`)
    assert.deepEqual(rows[0], {
      level: level === 'read uncommitted' ? 'read committed' : level,
      readOnly: mode === 'read only' ? 'on' : 'off',
      deferrable: mode === 'deferrable' ? 'on' : 'off',
    })
    await client.query('rollback')
  }
  await assert.rejects(client.query('begin isolation level snapshot read only'), {
    name: 'TypeError',
    message: /isolation level.*'snapshot'/,
  })
  client.release()

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

const ends = [
  'commit;',
  ' COMMIT WORK ',
  'commit transaction',
  'end',
  'END TRANSACTION;',
  'commit and no chain',
  '/* by whom */ commit',
  '-- at last\ncommit',
  `commit /* action='save%2Fall',controller='orders',traceparent='00-5bd66ef5095369c7b0d1f8f4bd33716a-c532cb4098ac3dd2-01',x='1' */`,
  ';commit;;',
  'rollback;',
  'Rollback Work and no chain',
  'abort',
  'abort transaction /* no */',
]

test('a transaction is begun and ended by text in every way in which SQL writes that', async () => {
  await using pool = pgPool(() => newPool())
  await using lease = await pool.acquire()
  await using around = await lease.begin()
  const inside = await around.asPool<pg.Pool>().connect()
  const open = { code: 'ERR_PG_TRANSACTION_OPEN' }
  for (const text of [...ends, 'commit and chain', '/* */ rollback work and chain;']) {
    await assert.rejects(inside.query(text), open, text)
  }
  await around.rollback()

  const client = await lease.asPool<pg.Pool>().connect()
  const begins = ['begin /* c */', '-- c\nstart transaction;', ' BEGIN WORK; ', 'begin transaction']
  for (const [at, text] of ends.entries()) {
    await client.query(begins[at % begins.length] ?? 'begin')
    await client.query(text)
    // Nobody believes that it is open, on either side.
    const free = await lease.begin()
    await free.rollback()
  }
  for (const text of ['commit and chain', 'rollback work and chain;']) {
    await client.query('begin')
    await assert.rejects(client.query(text), { ...open, message: /AND CHAIN/ })
    await client.query('rollback')
  }
})

test('a pool of one connection dies with that', async () => {
  await using pool = pgPool(() => newPool())
  const lease = await pool.acquire()
  const ofLease = lease.asPool<pg.Pool>()
  const client = await ofLease.connect()
  const begun = await lease.begin()
  const ofTransaction = begun.asPool<pg.Pool>()
  await begun.commit()
  await assert.rejects(ofTransaction.query('select 1'), disposed)
  await assert.rejects(ofTransaction.connect(), disposed)
  await ofLease.query('select 1')
  await lease[Symbol.asyncDispose]()
  await assert.rejects(client.query('select 1'), disposed)
  await assert.rejects(ofLease.query('select 1'), disposed)
  assert.throws(() => lease.asPool(), disposed)
})

test('the facade of a pool has the manners of the driver’s: promises, callbacks, configs, dead clients', async () => {
  const raw = newPool({ max: 2 })
  await using pool = pgPool(() => raw)
  const driver = pool.driver
  assert.equal(pool.driver, driver)
  assert.match(driver.constructor.name, /Pool/)
  assert.equal(driver.options, raw.options)
  const one = await driver.query<{ n: number }>('select $1::int as n', [1])
  assert.deepEqual(one.rows, [{ n: 1 }])
  assert.deepEqual(
    (await driver.query({ text: 'select $1::int as n', rowMode: 'array' }, [2])).rows,
    [[2]],
  )

  const client = await driver.connect()
  assert.equal(pool.stats().leased, 1)
  assert.equal(driver.idleCount, pool.stats().idle)
  const backend = await backendOf(client)
  const called = await new Promise((resolve, reject) => {
    client.query('select 3 as n', (error, result) => (error ? reject(error) : resolve(result.rows)))
  })
  assert.deepEqual(called, [{ n: 3 }])
  const failed = await new Promise((resolve) => {
    client.query('select 1/0', [], (error: Error & { code?: string }) => resolve(error.code))
  })
  assert.equal(failed, '22012')
  await client.query('begin')
  await client.query("set statement_timeout = '7s'")
  client.release()
  client.release()
  await assert.rejects(client.query('select 1'), disposed)
  await idle(pool)

  const next = await driver.connect()
  assert.equal(await backendOf(next), backend)
  const { rows } = await next.query("select current_setting('statement_timeout') as timeout")
  assert.deepEqual(rows, [{ timeout: '0' }])
  const notices: unknown[] = []
  const listener = (notice: { message?: string | undefined }): number =>
    notices.push(notice.message)
  next.on('notice', listener)
  await next.query("do $$ begin raise notice 'hear me'; end $$")
  assert.deepEqual(notices, ['hear me'])
  next.release(true)
  await idle(pool)
  const { fresh, release } = await new Promise<Connected>((resolve, reject) => {
    driver.connect((error, connected, done) => {
      if (error || connected === undefined) reject(error)
      else resolve({ fresh: connected, release: done })
    })
  })
  assert.notEqual(await backendOf(fresh), backend, 'a truthy argument closes the connection')
  release()
  await assert.rejects(fresh.query('select 1'), disposed)
  await idle(pool)
  await driver.end()
  await pool.query('select 1')
  await pool[Symbol.asyncDispose]()
  await assert.rejects(driver.connect(), disposed)
})

test('cursors and streams of the driver are read through a cursor that ends with its client', async () => {
  await using pool = pgPool(() => newPool())
  const many = 'select n from generate_series(1, $1::int) as n'
  {
    const client = await pool.driver.connect()
    const cursor = client.query(new Cursor<{ n: number }>(many, [5]))
    assert.deepEqual(await cursor.read(2), [{ n: 1 }, { n: 2 }])
    const rest = await new Promise((resolve, reject) => {
      cursor.read(9, (error, rows) => (error ? reject(error) : resolve(rows)))
    })
    assert.deepEqual(rest, [{ n: 3 }, { n: 4 }, { n: 5 }])
    assert.deepEqual(await cursor.read(1), [])
    await cursor.close()

    const stream = client.query(new QueryStream(many, [1000], { batchSize: 10, rowMode: 'array' }))
    let seen = 0
    for await (const [n] of stream) {
      seen += 1
      assert.equal(n, seen)
      if (seen === 25) break
    }
    const whole = client.query(new QueryStream(many, [33], { batchSize: 10 }))
    assert.equal((await whole.toArray()).length, 33)
    const left = client.query(new Cursor(many, [1000]))
    await left.read(1)
    client.release()
    await assert.rejects(left.read(1), disposed)
  }
  await idle(pool)
  await using lease = await pool.acquire()
  await assertQuiet(lease)
  const client = await lease.asPool<pg.Pool>().connect()
  assert.throws(() => client.query(new pg.Query('select 1')), /unsafeClient/)
})

/** What a callback of `connect()` is given. */
interface Connected {
  readonly fresh: pg.PoolClient
  readonly release: () => void
}

async function assertQuiet(lease: PgLease): Promise<void> {
  const { rows } = await lease.query('select count(*)::int as n from pg_cursors')
  assert.deepEqual(rows, [{ n: 0 }])
  // Refused inside of a transaction.
  await lease.query('vacuum pg_largeobject_metadata')
}
