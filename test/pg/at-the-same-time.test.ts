/**
 * Several parts of a program use one lease at the same time, and leave at any moment, over a network that splits, delays
 * and breaks: everything ends, each row is where its author was told that it is, and the next holder finds nothing. What
 * each of them does follows from a seed.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import type pg from 'pg'
import { pgPool, type PgLease, type PgPool } from 'unwind/pg'

import { Wire } from '../support/chaos-proxy.ts'
import { acts, type World } from './support/acts.ts'
import { newPool, newTable, Observer } from './support/database.ts'
import { Ledger } from './support/ledger.ts'
import { look } from './support/next-holder.ts'
import {
  befalls,
  isAmong,
  moment,
  newSeed,
  notTooLong,
  oneOf,
  randomFrom,
  type Random,
} from './support/random.ts'

const workers = 3
const connections = 2
const programs = 12
/** How often all of it is done, each time over another wire; without it, until it was done for long enough. */
const rounds = Number(process.env['STRESS_ROUNDS'] ?? Infinity)
/** Milliseconds. */
const longEnough = rounds === Infinity ? 3_000 : Infinity
const keys = [1, 2].map((n) => process.pid * 10 + n)

const endings = ['cancel', 'wait', 'destroy'] as const
const troubles = ['none', 'none', 'kill', 'cut', 'freeze'] as const
type Trouble = (typeof troubles)[number]

test('what several parts of a program do on one lease ends, is where they were told, and does not reach the next holder', async () => {
  const seed = newSeed()
  const warnings: string[] = []
  // Of the driver, which wants one statement at a time.
  process.on('warning', ({ name, message }) => {
    if (name === 'DeprecationWarning') warnings.push(message)
  })
  const until = performance.now() + longEnough
  for (let round = 0; round < rounds && performance.now() < until; round += 1) {
    const trouble = oneOf(troubles, randomFrom(seed + round))
    try {
      await oneRound(seed + round, trouble)
      assert.deepEqual(warnings, [])
    } catch (error) {
      throw new Error(`With STRESS_SEED=${seed + round} (${trouble}): ${String(error)}`, {
        cause: error,
      })
    }
  }
})

async function oneRound(seed: number, trouble: Trouble): Promise<void> {
  const ledgers: Ledger[] = []
  const random = randomFrom(seed)
  await using observer = await Observer.start()
  await using table = await newTable()
  await observer.query(`alter table ${table.name} alter v type text`)
  await using wire = await Wire.start()
  wire.pieces = oneOf([undefined, 5, 60], random)
  wire.delay = oneOf([0, 0, 1, 3], random)
  const raw = newPool({ max: connections, connectionString: wire.url })
  const listeners = new Listeners(raw)
  const grace = trouble === 'none' ? 20_000 : 300
  const inFlight = trouble === 'none' ? 'cancel' : oneOf(endings, random)
  {
    await using pool = pgPool(() => raw, {
      grace,
      inFlight,
      reset: oneOf(['auto', 'always'], random),
    })
    // Where the network falls silent for all of them, nobody else is there: a statement would wait for ever.
    const length = trouble === 'freeze' ? 1 : workers
    const seats = Array.from({ length }, (_, worker) => randomFrom(seed + worker * 1_000))
    await Promise.all(
      seats.map(async (own, worker) => {
        await using beside = await Observer.start()
        for (let n = 0; n < programs; n += 1) {
          const ledger = new Ledger(table.name, `${worker}.${n}`)
          ledgers.push(ledger)
          await told(
            ledger,
            oneProgram({ pool, wire, observer: beside, random: own, ledger, trouble }),
          )
          if (trouble === 'none') {
            assert.ok((await beside.backends(raw.label)) <= connections, 'too many backends')
          }
        }
      }),
    )
    listeners.check()
    assert.equal(pool.stats().leased, 0)
  }
  if (trouble === 'none') assert.equal(listeners.connected, connections, 'one was closed')
  // One that is cut off, or left, while it sleeps does not know that.
  if (trouble !== 'none') {
    await observer.query(
      'select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1',
      [raw.label],
    )
  }
  await observer.untilSeen(
    'select 1 where not exists (select 1 from pg_stat_activity where application_name = $1)',
    [raw.label],
  )
  const found = new Set((await table.values()).map(String))
  for (const ledger of ledgers) ledger.check(found)
}

async function told(ledger: Ledger, work: Promise<void>): Promise<void> {
  try {
    await work
  } catch (error) {
    throw new Error(`${inspect(error, { depth: 6 })}\n${ledger.tell()}`, { cause: error })
  }
}

interface Stage {
  pool: PgPool
  wire: Wire
  observer: Observer
  random: Random
  ledger: Ledger
  trouble: Trouble
}

async function oneProgram({ pool, wire, observer, random, ledger, trouble }: Stage): Promise<void> {
  const lease = await notTooLong(acquire(pool, trouble), 'The acquire')
  const pid = await notTooLong(look(lease).catch(onlyLost(trouble)), 'The first statement')
  // It was lost at once.
  if (pid === undefined) return await lease[Symbol.asyncDispose]()
  const over: Promise<void>[] = []
  const aside = (work: Promise<unknown>): void => {
    const end = work.then(() => {}, isExpected(trouble, ledger))
    // It is looked at later.
    end.catch(() => {})
    over.push(end)
  }
  // Nothing that is asked of a network that fell silent ends by itself.
  const leaves = trouble === 'freeze' || random() < 0.7
  const loses = trouble !== 'none'
  const world: World = { lease, random, ledger, keys, leaves, loses, aside }
  for (let count = 2 + Math.floor(random() * 5); count > 0; count -= 1) {
    const [name, act] = oneOf(Object.entries(acts), random)
    ledger.log.push(name)
    aside(act(world))
    if (random() < 0.4) await moment(random)
  }
  if (random() < 0.3) {
    if (trouble === 'kill') await observer.terminate(pid)
    if (trouble === 'cut') wire.cutOne(oneOf(['close', 'reset'], random))
    if (trouble === 'freeze') {
      wire.freeze()
      // Silence is noticed by whoever waits for an answer, as the release does now.
      lease.markDirty()
    }
  }
  if (leaves) await moment(random)
  else await notTooLong(all(over), 'An act')
  if (!leaves && trouble === 'none') await notTooLong(assertIdle(lease), 'What comes after all')
  ledger.log.push('dispose')
  const disposed = lease[Symbol.asyncDispose]()
  if (random() < 0.3) aside(oneOf(Object.values(acts), random)(world))
  await notTooLong(Promise.all([disposed, lease[Symbol.asyncDispose]()]), 'The dispose')
  await notTooLong(all(over), 'An act after the dispose')
}

/** Those that come meanwhile as well. */
async function all(over: Promise<void>[]): Promise<void> {
  for (let seen = 0; seen < over.length;) {
    seen = over.length
    await Promise.all(over)
  }
}

async function acquire(pool: PgPool, trouble: Trouble): Promise<PgLease & AsyncDisposable> {
  for (;;) {
    const lease = await pool.acquire().catch(onlyLost(trouble))
    if (lease !== undefined) return lease
  }
}

/** Everybody is through, and ended what he began. */
async function assertIdle(lease: PgLease): Promise<void> {
  let rows: unknown[] = []
  for (let n = 0; n < 3; n += 1)
    ({ rows } = await lease.query(`select
    (select xact_start = query_start from pg_stat_activity where pid = pg_backend_pid()) as alone,
    (select count(*)::int from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()) as locks,
    (select count(*)::int from pg_cursors) as cursors`))
  assert.deepEqual(rows, [{ alone: true, locks: 0, cursors: 0 }], 'after all acts')
}

/** A deadlock, too. */
const expected = new Set([...befalls, 'ERR_PG_TRANSACTION_ENDED', '40P01'])

const losses = new Set([
  'ERR_PG_CONNECTION_LOST',
  'ERR_PG_COMMIT_UNKNOWN',
  '57P01',
  'ECONNRESET',
  'EPIPE',
])

function isLoss(error: unknown): boolean {
  const { code, message } = error as { code?: unknown; message?: unknown }
  return losses.has(String(code)) || String(message).startsWith('Connection terminated')
}

type OnError = (error: unknown) => undefined

function onlyLost(trouble: Trouble): OnError {
  return (error) => {
    if (trouble === 'none' || !isLoss(error)) throw error
    return undefined
  }
}

/** What befalls those who share a connection and leave in the middle; anything else is a fault. */
function isExpected(trouble: Trouble, { commits }: Ledger): OnError {
  return (error) => {
    if (isAmong(expected, error)) return undefined
    // What was to be a savepoint, behind somebody's COMMIT by text.
    if (commits && (error as { code?: unknown }).code === '25P01') return undefined
    return onlyLost(trouble)(error)
  }
}

/** Of each client of the pool, as often as it is taken: they do not grow. */
class Listeners {
  connected = 0
  readonly #counts = new Map<pg.PoolClient, number[]>()

  constructor(pool: pg.Pool) {
    pool.on('connect', () => (this.connected += 1))
    pool.on('acquire', (client) => {
      const counts = this.#counts.get(client) ?? []
      this.#counts.set(client, counts)
      const all = client.eventNames().map((name) => client.listenerCount(name))
      counts.push(all.reduce((sum, count) => sum + count, 0))
    })
  }

  check(): void {
    // The first is before ours are there.
    for (const [, , ...rest] of this.#counts.values()) {
      assert.ok(new Set(rest).size <= 1, `listeners grow: ${rest.join(', ')}`)
    }
  }
}
