/** Releases of a connection in any state, and what its next holder must find. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type pg from 'pg'
import { pgPool, type PgLease, type PgPool, type PgPoolOptions } from 'unwind/pg'

import { backendOf, newPool, Observer } from './database.ts'
import { Wire } from './proxy.ts'

export interface State {
  readonly title: string
  readonly options?: PgPoolOptions
  /** Of the driver's pool. */
  readonly config?: pg.PoolConfig
  enter(lease: PgLease, observer: Observer, wire: Wire): Promise<unknown>
}

/** Milliseconds: what is kept is given all the time that a busy machine may take, and what is destroyed is waited for. */
export const grace = { kept: 10_000, destroyed: 100 } as const
type Outcome = keyof typeof grace

/** The driver takes it for prepared as long as the connection lives. */
const named = { name: 'survivor', text: 'select 1 as one' }

type Way = (lease: AsyncDisposable) => Promise<unknown>

export const ways: Record<string, Way> = {
  async once(lease) {
    await lease[Symbol.asyncDispose]()
  },
  async twice(lease) {
    await lease[Symbol.asyncDispose]()
    await lease[Symbol.asyncDispose]()
  },
  'twice at the same time': (lease) =>
    Promise.all([lease[Symbol.asyncDispose](), lease[Symbol.asyncDispose]()]),
}

/** Of a connection in each of the states, in each of the ways. */
export function testReleases(outcome: Outcome, states: readonly State[]): void {
  for (const state of states) {
    for (const [way, dispose] of Object.entries(ways)) testRelease(outcome, state, way, dispose)
  }
}

function testRelease(outcome: Outcome, state: State, way: string, dispose: Way): void {
  test(`a connection that is released ${state.title}, ${way}, is ${outcome}`, async () => {
    await using observer = await Observer.start()
    await using wire = await Wire.start()
    const config = { connectionString: wire.url, ...state.config }
    await using pool = pgPool(() => newPool(config), {
      grace: grace[outcome],
      ...state.options,
    })
    const lease = await pool.acquire()
    const pid = await backendOf(lease)
    await lease.query(named)
    await state.enter(lease, observer, wire)

    const waiting = pool.acquire()
    await dispose(lease)
    assert.equal(lease.disposed, true)
    await assert.rejects(lease.query('select 1'), { code: 'ERR_DISPOSED' })
    assert.ok(pool.stats().leased <= 1, 'nobody but the one who waits')
    await using next = await waiting
    assert.equal((await backendOf(next)) === pid, outcome === 'kept')
    await assertClean(next)
    // A server to which nothing came through still works on its last statement.
    if (outcome === 'destroyed') await observer.terminate(pid)
  })
}

export function wirePool(wire: Wire): PgPool & AsyncDisposable {
  return pgPool(() => newPool({ connectionString: wire.url }), { grace: 5_000 })
}

/** What the next holder must find, whatever the one before did. */
export async function assertClean(lease: PgLease): Promise<void> {
  const { rows } = await lease.query(
    `select to_regclass('pg_temp.leftover') as temp,
            current_setting('statement_timeout') as timeout,
            (select xact_start = query_start from pg_stat_activity where pid = pg_backend_pid()) as xact,
            current_user = session_user as role,
            (select count(*)::int from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()) as locks,
            (select count(*)::int from pg_listening_channels()) as channels,
            (select count(*)::int from pg_cursors where name = 'leftover') as cursors`,
  )
  const clean = { temp: null, timeout: '0', xact: true, role: true, locks: 0, channels: 0 }
  assert.deepEqual(rows, [{ ...clean, cursors: 0 }])
  // Refused inside of a transaction.
  await lease.query('vacuum pg_largeobject_metadata')
  assert.deepEqual((await lease.query(named)).rows, [{ one: 1 }])
}
