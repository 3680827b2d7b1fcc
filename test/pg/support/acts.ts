/** What several parts of a program do to one lease at the same time. Each ends what it began, unless it is left. */
import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import type { PgCursor, PgLease, PgTransaction } from 'unwind/pg'

import type { Rows } from './database.ts'
import type { Ledger, Part } from './ledger.ts'
import { moment, oneOf, soon, type Random } from './random.ts'

export interface World {
  readonly lease: PgLease
  readonly random: Random
  readonly ledger: Ledger
  /** Few, so that they meet. */
  readonly keys: readonly number[]
  /** What is left open now and then. */
  readonly leaves: boolean
  /** The connection may be lost, as it seldom is where the timeout of a lock comes before its savepoint is made. */
  readonly loses: boolean
  /** What the act does not wait for. */
  aside(work: Promise<unknown>): void
}

export type Act = (world: World) => Promise<unknown>

type Owned = PgTransaction & AsyncDisposable

export const acts: Record<string, Act> = {
  write: ({ ledger, lease }) => ledger.write(undefined, lease),
  'slow write': ({ ledger, lease, random }) => ledger.write(undefined, lease, random() / 200),
  'aborted write': ({ ledger, lease, random }) => {
    const signal = soon(random)
    const query = (text: string): ReturnType<Rows['query']> => lease.query(text, [], { signal })
    return ledger.write(undefined, { query }, random() / 200)
  },
  writes: ({ ledger, lease }) => together([1, 2, 3].map(() => ledger.write(undefined, lease))),
  sleep: ({ lease, random }) => lease.query('select pg_sleep(60)', [], { signal: soon(random) }),
  failure: ({ lease }) => lease.query('select 1/0'),
  cancel: ({ lease }) => lease.cancel(),
  'cancel of what runs': ({ lease }) =>
    together([lease.query('select pg_sleep(60)'), lease.cancel(), lease.query('select 1')]),
  async dirty({ lease }) {
    lease.markDirty()
  },
  setting: ({ lease }) => lease.query("set application_name = 'changed'"),
  listen: ({ lease }) => lease.query('listen leftovers'),
  cursor: (world) => readSome(world, world.lease),
  cursors: (world) => together([1, 2, 3].map(() => readSome(world, world.lease))),
  /** Each is on its way out when the next one comes. */
  async 'cursors in turn'(world) {
    const { lease, random } = world
    for (let count = Math.floor(random() * 6); count > 0; count -= 1) {
      const cursor = lease.cursor<Numbered>(numbers)
      world.aside(readOne(cursor, { next: 1 }, 1))
      if (random() < 0.7) await new Promise(setImmediate)
      world.aside(dispose(cursor))
    }
    await readSome(world, lease)
  },
  lock: (world) => lock(world),
  async 'tried lock'({ lease, keys, random }) {
    const held = await lease.tryAdvisoryLock(oneOf(keys, random))
    await moment(random)
    await held?.[Symbol.asyncDispose]()
  },
  transaction,
  'transaction by text': async (world) => byText(world, world.lease.asPool()),
  async 'BEGIN by text'({ lease, ledger, random, leaves }) {
    // Its end can be refused, and nobody else ends it.
    if (!leaves) return
    ledger.savepoints = true
    ledger.commits = true
    await lease.query('begin')
    const part = ledger.begun('BEGIN')
    part.fate = 'unknown'
    await ledger.write(part, lease).catch(() => {})
    await lease.query(random() < 0.7 ? 'commit' : 'rollback')
  },
}

/** What is in it is done one after another, or at the same time. */
async function transaction(world: World): Promise<void> {
  const { lease, ledger, random } = world
  const tx = await lease.begin(random() < 0.2 ? { signal: soon(random) } : {})
  const part = ledger.begun('tx')
  let told = false
  tx.afterCommit(() => (told = true))
  await ended(world, tx, part, async () => {
    await ledger.write(part, tx).catch(() => {})
    await steps(world, tx, part)
  })
  if (!ledger.commits) assert.equal(told, tx.state === 'committed', 'the callback of a commit')
}

type Step = (world: World, tx: PgTransaction, part: Part) => Promise<unknown>

const inTransaction: Record<string, Step> = {
  write: ({ ledger }, tx, part) => ledger.write(part, tx),
  'slow write': ({ ledger, random }, tx, part) => ledger.write(part, tx, random() / 200),
  failure: (_world, tx) => tx.query('select 1/0'),
  sleep: ({ random }, tx) => tx.query('select pg_sleep(60)', [], { signal: soon(random) }),
  cursor: (world, tx) => readSome(world, tx),
  cursors: (world, tx) => together([1, 2].map(() => readSome(world, tx))),
  lock: ({ keys, loses, random }, tx) =>
    tx.advisoryLock(
      oneOf(keys, random),
      loses ? { timeout: Math.ceil(random() * 4) } : { signal: soon(random) },
    ),
  'tried lock': ({ keys, random }, tx) => tx.tryAdvisoryLock(oneOf(keys, random)),
  'savepoint by text': async (world, tx) => byText(world, tx.asPool()),
  async savepoint(world, tx, part) {
    world.ledger.savepoints = true
    const savepoint = await tx.savepoint()
    const inner = world.ledger.begun('savepoint', part)
    await ended(world, savepoint, inner, () => steps(world, savepoint, inner))
  },
}

async function steps(world: World, tx: PgTransaction, part: Part): Promise<void> {
  const { random } = world
  for (let count = Math.floor(random() * 4); count > 0; count -= 1) {
    const [name, step] = oneOf(Object.entries(inTransaction), random)
    if (name === 'savepoint' && part.within !== undefined) continue
    const work = step(world, tx, part)
    if (random() < 0.5) world.aside(work)
    // A program that goes on after an error, as they do.
    else await work.catch(() => {})
    if (random() < 0.3) await moment(random)
  }
}

/** Commits, rolls back, is disposed, or several of these at the same time. */
async function ended(
  world: World,
  tx: Owned,
  part: Part,
  body: () => Promise<void>,
): Promise<void> {
  const { random } = world
  try {
    await body()
    const end = random()
    if (end < 0.5) await commit(tx, part)
    else if (end < 0.6) await tx.rollback()
    else if (end < 0.7) await together([commit(tx, part), dispose(tx)])
    else if (end < 0.8) await together([commit(tx, part), moment(random).then(() => dispose(tx))])
    else if (end < 0.9 && world.leaves) return
  } finally {
    if (!world.leaves || random() < 0.8) await dispose(tx)
  }
}

async function commit(tx: PgTransaction, part: Part): Promise<void> {
  try {
    await tx.commit()
    part.fate = 'committed'
  } catch (error) {
    const { code } = error as { code?: unknown }
    if (code === 'ERR_PG_COMMIT_UNKNOWN') part.fate = 'unknown'
    throw error
  }
}

async function byText({ ledger, random }: World, pool: ClientPool): Promise<void> {
  ledger.savepoints = true
  const client = await pool.connect()
  try {
    await client.query('begin')
    const part = ledger.begun('text')
    // Where it is a savepoint, the rest of its fate is that of somebody else.
    part.fate = 'unknown'
    await ledger.write(part, client)
    if (random() < 0.5) await moment(random)
    if (random() < 0.7) await client.query(random() < 0.7 ? 'commit' : 'rollback')
  } finally {
    client.release()
  }
}

interface ClientPool {
  connect(): Promise<Rows & { release(): void }>
}

const last = 40
const numbers = `select n::int from generate_series(1, ${last}) as n`

interface Numbered {
  n: number
}

/** Pages of it, awaited or not, until it is disposed at any moment. */
async function readSome(world: World, host: PgLease | PgTransaction): Promise<void> {
  const { random } = world
  const text = random() < 0.3 ? `select *, pg_sleep(0.0005) from (${numbers}) as numbers` : numbers
  const options = random() < 0.3 ? { signal: soon(random) } : {}
  const cursor = host.cursor<Numbered>(text, [], { batch: 7, ...options })
  const place = { next: 1, over: false }
  try {
    for (let count = Math.floor(random() * 4); count > 0; count -= 1) {
      const page = readOne(cursor, place, 1 + Math.floor(random() * 20))
      if (random() < 0.5) world.aside(page)
      else await page
    }
    if (random() < 0.5) await moment(random)
  } finally {
    if (!world.leaves || random() < 0.8) await dispose(cursor)
  }
}

/** The next rows, or an error; none only at the end. */
async function readOne(
  cursor: PgCursor<Numbered>,
  place: { next: number },
  count: number,
): Promise<void> {
  const rows = await cursor.read(count)
  const from = place.next
  place.next += rows.length
  const expected = Math.min(count, last + 1 - from)
  assert.deepEqual(
    rows.map(({ n }) => n),
    Array.from({ length: expected }, (_, at) => from + at),
  )
}

async function lock({ lease, keys, random, leaves, loses }: World): Promise<void> {
  const shared = random() < 0.3
  const bound =
    loses && random() < 0.5 ? { timeout: Math.ceil(random() * 4) } : { signal: soon(random) }
  const key = oneOf(keys, random)
  const held = await lease.advisoryLock(key, { shared, ...bound })
  await moment(random)
  if (random() < 0.3) await pause(random() * 4)
  try {
    const { rowCount } = await lease.query(
      "select from pg_locks where locktype = 'advisory' and pid = pg_backend_pid() and objid = $1",
      [key],
    )
    assert.ok(Number(rowCount) > 0, 'a lock that is held')
  } finally {
    if (!leaves || random() < 0.8) await dispose(held)
  }
}

async function dispose(what: AsyncDisposable): Promise<void> {
  await what[Symbol.asyncDispose]()
}

/** All of them, and then the first error. */
async function together(works: Promise<unknown>[]): Promise<void> {
  await Promise.allSettled(works)
  await Promise.all(works)
}
