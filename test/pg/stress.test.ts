/**
 * Many holders of few connections, who do anything and leave at any moment: whoever comes next finds a connection on
 * which nothing of them is left and nothing of them still happens. What each of them does follows from a seed.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { pgPool, type PgLease, type PgPoolOptions, type PgTransaction } from 'unwind/pg'

import { Wire } from '../support/chaos-proxy.ts'
import { newPool } from './support/database.ts'
import { look } from './support/next-holder.ts'
import {
  befalls,
  isAmong,
  moment,
  newSeed,
  notTooLong,
  oneOf,
  randomFrom,
  soon,
  type Random,
} from './support/random.ts'

const workers = 8
const connections = 4
const leases = 320
/** Milliseconds after which a loop is long enough, on a machine that is busy with other things. */
const longEnough = 3_000
/** All that the workers lock. Few, so that they meet. */
const keys = [1, 2, 3].map((n) => process.pid * 10 + n)

type Act = (lease: PgLease, random: Random) => Promise<unknown>

/** What nobody disturbs: it has to end well, whatever the holders before have left running. */
const calm: Record<string, Act> = {
  async query(lease, random) {
    const n = Math.floor(random() * 100)
    const { rows } = await lease.query('select $1::int as n from pg_sleep($2)', [n, random() / 500])
    assert.deepEqual(rows, [{ n }])
  },
  async failure(lease) {
    await assert.rejects(lease.query('select 1/0'), { code: '22012' })
  },
  async transaction(lease, random) {
    await using tx = await lease.begin()
    const id = await idOf(tx)
    if (random() < 0.5) await tx.query('select pg_sleep($1)', [random() / 500])
    if (random() < 0.5) {
      await using savepoint = await tx.savepoint()
      await savepoint.query('select 1')
      if (random() < 0.5) await savepoint.commit()
    }
    assert.equal(await idOf(tx), id, 'somebody else ended the transaction')
    assert.equal(tx.state, 'open')
    if (random() < 0.5) await tx.commit()
  },
  async cursor(lease, random) {
    const last = Math.floor(random() * 30)
    let seen = -1
    for await (const { n } of lease.cursor<{ n: number }>(numbers, [], { batch: 7 })) {
      assert.equal(n, (seen += 1))
      if (n === last) break
    }
    assert.equal(seen, last)
  },
  async lock(lease, random) {
    const lock = await lease.tryAdvisoryLock(oneOf(keys, random), { shared: random() < 0.3 })
    await lock?.[Symbol.asyncDispose]()
  },
}

/** What is left in the middle of it. */
const wild: Record<string, Act> = {
  sleep: (lease) => lease.query('select pg_sleep(60)'),
  'short sleep': (lease, random) => lease.query('select pg_sleep($1)', [random() / 200]),
  pipeline: (lease, random) =>
    Promise.all([1, 2, 3].map(() => lease.query(`select pg_sleep(${random() / 500})`))),
  abort: (lease, random) => lease.query('select pg_sleep(60)', [], { signal: soon(random) }),
  cancel: async (lease, random) => {
    const sleeping = assert.rejects(lease.query('select pg_sleep(60)'))
    await moment(random)
    await Promise.all([lease.cancel(), sleeping])
  },
  lock: async (lease, random) => {
    const shared = random() < 0.3
    const bound = random() < 0.5 ? { timeout: Math.ceil(random() * 4) } : { signal: soon(random) }
    await using _lock = await lease.advisoryLock(oneOf(keys, random), { shared, ...bound })
    await moment(random)
    if (random() < 0.5) await pause(random() * 4)
  },
  'lock of a transaction': async (lease, random) => {
    await using tx = await lease.begin()
    await tx.advisoryLock(oneOf(keys, random), { timeout: Math.ceil(random() * 4) })
    await using _lock = await lease.advisoryLock(oneOf(keys, random), { timeout: 3 })
    await tx.commit()
  },
  commit: async (lease, random) => {
    const tx = await lease.begin(random() < 0.3 ? { signal: soon(random) } : {})
    await idOf(tx)
    if (random() < 0.5) await tx.cursor(numbers, [], { batch: 3 }).read(1)
    if (random() < 0.5) await tx.query('select 1/0').catch(() => {})
    await tx.commit()
  },
  rollback: async (lease, random) => {
    const tx = await lease.begin()
    void tx.query('select pg_sleep(60)').catch(() => {})
    if (random() < 0.5) await moment(random)
    await tx.rollback()
  },
  savepoint: async (lease, random) => {
    const tx = await lease.begin()
    const savepoint = await tx.savepoint()
    await idOf(savepoint)
    if (random() < 0.5) await savepoint.query('select 1/0').catch(() => {})
    await (random() < 0.5 ? savepoint.commit() : savepoint.rollback())
    await tx.commit()
  },
  cursor: async (lease) => {
    for await (const _ of lease.cursor(numbers, [], { batch: 3 })) await lease.query('select 1')
  },
  'read of a cursor': async (lease, random) => {
    const host = random() < 0.5 ? lease : await lease.begin()
    const slow = 'select n, pg_sleep(0.001) from generate_series(1, 1000) as n'
    const cursor = host.cursor(slow, [], { batch: 20, signal: soon(random) })
    await Promise.all([cursor.read(20), cursor.read(20), moment(random).then(() => close(cursor))])
  },
}

const numbers = 'select n::int from generate_series(0, 100) as n'

/** What a holder changes where the release resets it. */
const changes = [
  "set statement_timeout = '70s'",
  "set application_name = 'changed'",
  'create temp table leftover (v int)',
  'listen leftovers',
]

const pools: Record<string, PgPoolOptions> = {
  'reset "auto"': { reset: 'auto' },
  'reset "never"': { reset: 'never' },
}

for (const [name, options] of Object.entries(pools)) {
  test(`with ${name}, nothing of ${workers} holders of ${connections} connections, who leave at any moment, reaches the next`, async () => {
    const seed = newSeed()
    const history: string[] = []
    try {
      await stress(seed, options, history)
    } catch (error) {
      const last = history.slice(-40).join('\n')
      throw new Error(`With STRESS_SEED=${seed}, after:\n${last}`, { cause: error })
    }
  })
}

async function stress(seed: number, options: PgPoolOptions, history: string[]): Promise<void> {
  await using wire = await Wire.start()
  if (seed % 2 === 0) wire.pieces = 60
  const raw = newPool({ max: connections, connectionString: wire.url })
  await using pool = pgPool(() => raw, { ...options, grace: 20_000 })
  const until = performance.now() + longEnough
  const backends = new Set<number>()
  let left = leases
  await Promise.all(
    Array.from({ length: workers }, async (_, worker) => {
      const random = randomFrom(seed + worker)
      while ((left -= 1) >= 0 && performance.now() < until) {
        const lease = await notTooLong(pool.acquire())
        backends.add(await notTooLong(look(lease)))
        await notTooLong(hold(lease, random, options.reset !== 'never', history))
      }
    }),
  )
  assert.ok(backends.size <= connections, 'no connection had to be closed')
  assert.equal(pool.stats().leased, 0)
}

async function hold(
  lease: PgLease & AsyncDisposable,
  random: Random,
  resets: boolean,
  history: string[],
): Promise<void> {
  for (let count = Math.floor(random() * 3); count > 0; count -= 1) {
    await oneOf(Object.values(calm), random)(lease, random)
  }
  if (resets && random() < 0.3) await lease.query(oneOf(changes, random))
  const acts = Object.entries(wild).filter(() => random() < 0.15)
  history.push(acts.map(([act]) => act).join(', '))
  const over = acts.map(([, act]) => act(lease, random).catch(isExpected))
  if (random() < 0.2) await Promise.race([pause(20), ...over])
  else await moment(random)
  await lease[Symbol.asyncDispose]()
  await Promise.all(over)
}

/** Anything else is a fault. */
function isExpected(error: unknown): void {
  if (!isAmong(befalls, error)) throw error
}

/** Of a transaction that has one: another one has another. */
async function idOf(tx: PgTransaction): Promise<string> {
  return (await tx.query<{ id: string }>('select txid_current()::text as id')).rows[0]?.id ?? ''
}

async function close(cursor: AsyncDisposable): Promise<void> {
  await cursor[Symbol.asyncDispose]()
}
