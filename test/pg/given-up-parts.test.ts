/**
 * What the driver gives up, by its `query_timeout`, where it is not a statement of the user's alone: a BEGIN, a COMMIT, a
 * savepoint, a lock, the one before another, a subscription. Each has an end that is known, and leaves a clean connection.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type pg from 'pg'
import { pgPool, type PgLease } from 'unwind/pg'

import { backendOf, newPool, newTable, Observer, until } from './support/database.ts'
import { isFree, newKey, newPools } from './support/locks.ts'
import { Wire } from './support/proxy.ts'

const timeout = { message: 'Query read timeout' }
const silence: Wire['holds'] = ({ type }) => type === 'C'

interface Impatient {
  readonly connectionParameters: { query_timeout: number | false }
}

interface Setting extends AsyncDisposable {
  readonly wire: Wire
  readonly lease: PgLease & AsyncDisposable
  /** The driver gives up what `send` sends at once, whose answer does not come until `letGo`. */
  giveUp<T>(send: () => Promise<T>): Promise<T>
}

async function setUp(): Promise<Setting> {
  const wire = await Wire.start()
  const raw = newPool({ connectionString: wire.url })
  let client: Impatient | undefined
  // The declarations of the driver do not know it.
  raw.on('connect', (opened) => (client = opened as pg.PoolClient & Impatient))
  const pool = pgPool(() => raw, { grace: 60_000 })
  const lease = await pool.acquire()
  return {
    wire,
    lease,
    giveUp(send) {
      assert.ok(client)
      wire.holds = silence
      client.connectionParameters.query_timeout = 20
      const sent = send()
      client.connectionParameters.query_timeout = false
      return sent
    },
    async [Symbol.asyncDispose]() {
      await lease[Symbol.asyncDispose]()
      await pool[Symbol.asyncDispose]()
      await wire[Symbol.asyncDispose]()
    },
  }
}

/** Its end waits for the connection to be quiet, and so for an answer. */
async function rejectsOnceCancelled(wire: Wire, given: Promise<unknown>): Promise<void> {
  const rejected = assert.rejects(given, timeout)
  await until(() => wire.cancels > 0, 'it is cancelled')
  wire.letGo()
  await rejected
}

test('a COMMIT that the driver gives up is unknown, and the lease goes on after it', async () => {
  await using table = await newTable()
  await using setting = await setUp()
  const { lease, wire, giveUp } = setting
  const pid = await backendOf(lease)
  const tx = await lease.begin()
  await tx.query(`insert into ${table.name} values (1)`)
  const committing = giveUp(() => tx.commit())
  await assert.rejects(committing, ({ code, cause }: Error & { code?: string }) => {
    assert.equal(code, 'ERR_PG_COMMIT_UNKNOWN')
    assert.equal((cause as Error).message, timeout.message)
    return true
  })
  wire.letGo()
  assert.equal(await backendOf(lease), pid)
  await lease.query('vacuum pg_largeobject_metadata')
  assert.deepEqual(await table.values(), [1])
})

test('a BEGIN that the driver gives up leaves no transaction open', async () => {
  await using setting = await setUp()
  const { lease, wire, giveUp } = setting
  const pid = await backendOf(lease)
  await rejectsOnceCancelled(
    wire,
    giveUp(() => lease.begin()),
  )
  await lease.query('vacuum pg_largeobject_metadata')
  assert.equal(await backendOf(lease), pid)
})

test('a savepoint that the driver gives up is undone, or has failed its transaction', async () => {
  await using table = await newTable()
  await using setting = await setUp()
  const { lease, wire, giveUp } = setting
  const tx = await lease.begin()
  await tx.query(`insert into ${table.name} values (1)`)
  await rejectsOnceCancelled(
    wire,
    giveUp(() => tx.savepoint()),
  )
  if (tx.state === 'failed') await assert.rejects(tx.commit())
  else await tx.commit()
  assert.deepEqual(await table.values(), tx.state === 'committed' ? [1] : [])
})

for (const [name, begin] of Object.entries({
  'a lease': async () => async () => {},
  'a lease in a transaction': async (lease) => {
    const tx = await lease.begin()
    return () => tx.rollback()
  },
} satisfies Record<string, (lease: PgLease) => Promise<() => Promise<void>>>)) {
  for (const ask of ['advisoryLock', 'tryAdvisoryLock'] as const) {
    test(`${ask}() of ${name} that the driver gives up is not held, even where the lock has come`, async () => {
      await using others = newPools()
      await using setting = await setUp()
      const { lease, wire, giveUp } = setting
      const key = newKey()
      const end = await begin(lease)
      const asking = giveUp(() => lease[ask](key))
      await assert.rejects(asking, timeout)
      wire.letGo()
      await end()
      await lease.query('select 1')
      assert.equal(await isFree(others, key), true)
    })
  }
}

test('one after another that the driver gives up is cancelled, and what waited behind them is answered', async () => {
  await using setting = await setUp()
  const { lease } = setting
  const pid = await backendOf(lease)
  const given = [1, 2].map(() => {
    const config = { text: 'select pg_sleep(600)', query_timeout: 20 }
    return assert.rejects(lease.query(config), timeout)
  })
  assert.equal(await backendOf(lease), pid)
  await Promise.all(given)
})

test('a LISTEN that the driver gives up rejects, and its connection is closed', async () => {
  await using observer = await Observer.start()
  await using wire = await Wire.start()
  const raw = newPool({ connectionString: wire.url, query_timeout: 20 })
  await using pool = pgPool(() => raw)
  wire.holds = silence
  await assert.rejects(pool.listen('news'), timeout)
  await observer.untilSeen(
    'select 1 where not exists (select 1 from pg_stat_activity where application_name = $1)',
    [raw.label],
  )
})
