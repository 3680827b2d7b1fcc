/** Advisory locks whose keys nobody else has, and who holds them. */
import { pgPool, type PgLease, type PgPool, type PgPoolOptions } from 'unwind/pg'

import { newPool } from './database.ts'

export const notAvailable = {
  name: 'PgLockNotAvailableError',
  code: 'ERR_PG_LOCK_NOT_AVAILABLE',
} as const

let keys = process.pid * 1_000

/** Nobody else's. */
export function newKey(): number {
  keys += 1
  return keys
}

/** Two connections that do not know each other. */
export function newPools(options?: PgPoolOptions): PgPool & AsyncDisposable {
  return pgPool(() => newPool({ max: 3 }), { grace: 60_000, ...options })
}

export async function isFree(pool: PgPool, key: number | bigint | string): Promise<boolean> {
  await using other = await pool.acquire()
  await using lock = await other.tryAdvisoryLock(key)
  return lock !== undefined
}

export async function locksOf(lease: PgLease): Promise<number> {
  const { rows } = await lease.query(
    "select count(*)::int as n from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()",
  )
  return rows[0].n
}
