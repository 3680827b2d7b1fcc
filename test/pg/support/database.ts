/**
 * The database that the tests share: pools that can be told apart on the server, and an observer that sees what a
 * server sees.
 */
import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import type { PgPool } from 'unwind/pg'

export interface Rows {
  query(text: string, values?: readonly unknown[]): Promise<{ rows: Record<string, unknown>[] }>
}

let pools = 0

export function databaseUrl(): string {
  const url = process.env['DATABASE_URL']
  assert(url, 'DATABASE_URL is not set: run the tests with test/support/run.ts.')
  return url
}

/** A pool of one connection, unless said otherwise, with a name of its own on the server. */
export function newPool(config: pg.PoolConfig = {}): pg.Pool & { readonly label: string } {
  pools += 1
  const label = `unwind ${process.pid} ${pools}`
  const pool = new pg.Pool({
    connectionString: databaseUrl(),
    max: 1,
    application_name: label,
    ...config,
  })
  return Object.assign(pool, { label })
}

export async function backendOf(connection: Rows): Promise<number> {
  const { rows } = await connection.query('select pg_backend_pid() as pid')
  return Number(rows[0]?.['pid'])
}

/** A connection beside the pool under test. */
export class Observer implements AsyncDisposable {
  readonly #client = new pg.Client(databaseUrl())

  static async start(): Promise<Observer> {
    const observer = new Observer()
    await observer.#client.connect()
    return observer
  }

  query(text: string, values: unknown[] = []): Promise<pg.QueryResult> {
    return this.#client.query(text, values)
  }

  async backends(label: string): Promise<number> {
    const counted = await this.query(
      'select count(*)::int as n from pg_stat_activity where application_name = $1',
      [label],
    )
    return counted.rows[0].n
  }

  async terminate(pid: number): Promise<void> {
    await this.query('select pg_terminate_backend($1)', [pid])
  }

  /** The server gives no event for these. */
  async untilRunning(pid: number, text = ''): Promise<void> {
    await this.untilSeen(
      "select 1 from pg_stat_activity where pid = $1 and state = 'active' and query like $2",
      [pid, `%${text}%`],
    )
  }

  /** Inside of its `pg_sleep`: what catches a cancel has begun to do so. */
  async untilSleeping(pid: number): Promise<void> {
    await this.untilSeen(
      "select 1 from pg_stat_activity where pid = $1 and wait_event = 'PgSleep'",
      [pid],
    )
  }

  async untilGone(pid: number): Promise<void> {
    await this.untilSeen(
      'select 1 where not exists (select 1 from pg_stat_activity where pid = $1)',
      [pid],
    )
  }

  /** Some rows of it. */
  async untilSeen(text: string, values: unknown[]): Promise<void> {
    for (let attempt = 0; attempt < 500; attempt += 1) {
      const { rowCount } = await this.query(text, values)
      if (rowCount !== 0) return
      await pause(10)
    }
    assert.fail(`Waited in vain for: ${text} ${JSON.stringify(values)}`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.end()
  }
}

/** What gives no event. Bounded by attempts: how long one takes depends on the machine. */
export async function until(met: () => boolean, what: string): Promise<void> {
  for (let attempt = 0; attempt < 10_000; attempt += 1) {
    if (met()) return
    await pause(1)
  }
  assert.fail(`Waited in vain until ${what}.`)
}

export async function untilIdle(pool: PgPool): Promise<void> {
  await until(() => pool.stats().leased === 0, 'nothing is leased')
}

let tables = 0

/** An empty table with the column `v`, dropped at the end. */
export async function newTable(): Promise<
  AsyncDisposable & { name: string; values(): Promise<unknown[]> }
> {
  tables += 1
  const name = `t_${process.pid}_${tables}`
  const observer = await Observer.start()
  await observer.query(`create table ${name} (v int)`)
  return {
    name,
    async values() {
      const { rows } = await observer.query(`select v from ${name} order by v`)
      return rows.map((row: { v: unknown }) => row.v)
    },
    async [Symbol.asyncDispose]() {
      await using _observer = observer
      await observer.query(`drop table ${name}`)
    },
  }
}

/** A promise with its resolve, as every Node.js of ours has it. */
export function deferred<T = void>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {}
  const promise = new Promise<T>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}
