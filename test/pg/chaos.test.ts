/**
 * Hundreds of releases in mixed states, from several workers at once, over a network that splits, delays and breaks:
 * whoever comes next finds a clean connection. The same loop with the driver's own release shows that this can fail.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type pg from 'pg'
import { pgPool, type PgPool } from 'unwind/pg'

import { Wire } from '../support/chaos-proxy.ts'
import { newPool, newTable, Observer } from './support/database.ts'

const workers = 8
const connections = 4
const disposals = 500

/** What a holder leaves behind. Nothing of it is awaited by its release. */
type Mess = (connection: Queries) => Promise<unknown> | void

interface Queries {
  query(text: string): Promise<unknown>
}

const messes: Mess[] = [
  () => {},
  (connection) => connection.query('select 1'),
  (connection) => ignored(connection.query('select 1/0')),
  (connection) => void ignored(connection.query('select 1/0')),
  (connection) => connection.query("set statement_timeout = '7s'"),
  (connection) => connection.query('create temp table leftover (v int)'),
  (connection) => connection.query('select pg_advisory_lock(42)'),
  (connection) => connection.query('listen leftovers'),
  (connection) => connection.query('begin'),
  async (connection) => {
    await connection.query('begin')
    await connection.query("set application_name = 'changed'")
    await connection.query('create temp table leftover (v int)')
  },
  async (connection) => {
    await connection.query('begin')
    await ignored(connection.query('select 1/0'))
  },
  (connection) => void ignored(connection.query('select pg_sleep(60)')),
  (connection) => void ignored(connection.query(`select pg_sleep(${Math.random() / 200})`)),
  async (connection) => {
    await connection.query('begin')
    void ignored(connection.query(`select pg_sleep(${Math.random() / 200})`))
    void ignored(connection.query('select 1'))
  },
]

interface Seen {
  /** Connections on which the last holder was still to be seen. */
  poisoned: number
  /** First statements of a holder that were cancelled. */
  cancelled: number
  /** Connections that broke, in a test that breaks them. */
  broken: number
  backends: number
}

test(`${disposals} releases in mixed states, by ${workers} workers over ${connections} connections, leave nothing to the next`, async () => {
  await using wire = await Wire.start()
  wire.pieces = 40
  const seen = await work(wire.url, disposals, async (pool, mess) => {
    const lease = await pool.acquire()
    const found = await look(lease)
    await mess(lease)
    await lease[Symbol.asyncDispose]()
    return found
  })
  assert.deepEqual(seen, { poisoned: 0, cancelled: 0, broken: 0, backends: seen.backends })
  assert.ok(seen.backends <= connections, `${seen.backends} backends`)
})

test('the same over a network that breaks now and then ends with errors at most, and never with a leftover', async () => {
  await using wire = await Wire.start()
  wire.pieces = 200
  let releases = 0
  const seen = await work(wire.url, disposals / 2, async (pool, mess) => {
    const lease = await pool.acquire()
    try {
      const found = await look(lease)
      await mess(lease)
      return found
    } finally {
      releases += 1
      if (releases % 20 === 0) wire.cutOne(releases % 40 === 0 ? 'reset' : 'close')
      await lease[Symbol.asyncDispose]()
    }
  })
  assert.equal(seen.poisoned, 0)
  assert.equal(seen.cancelled, 0)
})

test("the driver's own release, in the same loop, leaves the last holder to the next", async () => {
  const seen = await work(undefined, disposals / 5, async (_pool, mess, raw) => {
    const client = await raw.connect()
    try {
      const found = await look(client)
      // Nobody cancels the one and gives back the other, and the next one would wait for that.
      if (!/pg_sleep\(60\)|pg_advisory_lock/.test(String(mess))) await mess(client)
      return found
    } finally {
      client.release()
    }
  })
  assert.ok(seen.poisoned > 0, 'the test can fail')
})

test('8 workers that increment 50 times each in serializable transactions end at exactly 400', async () => {
  await using table = await newTable()
  await using pool = pgPool(() => newPool({ max: connections }))
  await pool.query(`insert into ${table.name} values (0)`)
  let runs = 0
  const increment = (): Promise<unknown> =>
    pool.transaction({ isolation: 'serializable', retry: 1_000 }, async (tx) => {
      runs += 1
      const { rows } = await tx.query<{ v: number }>(`select v from ${table.name}`)
      await tx.query(`update ${table.name} set v = $1`, [Number(rows[0]?.v) + 1])
    })
  await inParallel(workers, async () => {
    for (let n = 0; n < 50; n += 1) await increment()
  })
  assert.deepEqual(await table.values(), [400])
  assert.ok(runs > 400, 'the server asked for some of them again')
})

async function work(
  connectionString: string | undefined,
  times: number,
  once: (pool: PgPool, mess: Mess, raw: pg.Pool) => Promise<'clean' | 'poisoned' | 'cancelled'>,
): Promise<Seen> {
  await using observer = await Observer.start()
  const raw = newPool({ max: connections, ...(connectionString && { connectionString }) })
  await using pool = pgPool(() => raw, { grace: 5_000 })
  const seen: Seen = { poisoned: 0, cancelled: 0, broken: 0, backends: 0 }
  let left = times
  await inParallel(workers, async () => {
    while (left > 0) {
      left -= 1
      const mess = messes[left % messes.length] as Mess
      const found = await once(pool, mess, raw).catch((): 'broken' => 'broken')
      if (found !== 'clean') seen[found] += 1
      if (left % 10 === 0) {
        seen.backends = Math.max(seen.backends, await observer.backends(raw.label))
      }
    }
  })
  return seen
}

async function inParallel(count: number, body: () => Promise<void>): Promise<void> {
  await Promise.all(Array.from({ length: count }, body))
}

/** What the first statement of a holder finds. */
async function look(connection: Queries): Promise<'clean' | 'poisoned' | 'cancelled'> {
  try {
    const result = await connection.query(`select to_regclass('pg_temp.leftover') is null
        and current_setting('statement_timeout') = '0'
        and current_setting('application_name') <> 'changed'
        and (select xact_start = query_start from pg_stat_activity where pid = pg_backend_pid())
        and not exists (select from pg_locks where locktype = 'advisory' and pid = pg_backend_pid())
        and not exists (select from pg_listening_channels()) as clean`)
    return (result as pg.QueryResult).rows[0].clean === true ? 'clean' : 'poisoned'
  } catch (error) {
    const { code } = error as { code?: string }
    if (code === '57014') return 'cancelled'
    if (code === '25P02') return 'poisoned'
    throw error
  }
}

async function ignored(statement: Promise<unknown>): Promise<void> {
  await statement.catch(() => {})
}
