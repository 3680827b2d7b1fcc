/** What the next holder of a connection finds: the same connection with its named statements, and nothing of the last one. */
import assert from 'node:assert/strict'
import type { PgLease, PgPool } from 'unwind/pg'

import { backendOf } from './database.ts'

const named = { name: 'survivor', text: 'select 1 as one' }

export async function prepare(pool: PgPool): Promise<number> {
  await pool.query(named)
  return await backendOf(pool)
}

export async function use(pool: PgPool, body: (lease: PgLease) => Promise<unknown>): Promise<void> {
  await using lease = await pool.acquire()
  await body(lease)
}

export async function assertClean(lease: PgLease, pid: number): Promise<void> {
  assert.deepEqual((await lease.query(named)).rows, [{ one: 1 }])
  const { rows } = await lease.query(`select pg_backend_pid() as pid,
    to_regclass('pg_temp.leftover') as temp,
    current_setting('statement_timeout') as timeout,
    current_user = session_user and session_user = (select usename from pg_stat_activity where pid = pg_backend_pid()) as role,
    (select count(*)::int from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()) as locks,
    (select count(*)::int from pg_listening_channels()) as channels,
    (select count(*)::int from pg_cursors where name = 'leftover') as cursors,
    (select count(*)::int from pg_prepared_statements where from_sql) as prepared`)
  const clean = {
    temp: null,
    timeout: '0',
    role: true,
    locks: 0,
    channels: 0,
    cursors: 0,
    prepared: 0,
  }
  assert.deepEqual(rows, [{ pid, ...clean }])
  await lease.query('vacuum pg_largeobject_metadata')
}

/**
 * Its first statement, in a session that its holders may have changed as the stress tests do.
 * @returns the backend
 */
export async function look(lease: PgLease): Promise<number> {
  const { rows } = await lease.query(`select pg_backend_pid() as pid,
    (select xact_start = query_start from pg_stat_activity where pid = pg_backend_pid()) as alone,
    (select count(*)::int from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()) as locks,
    (select count(*)::int from pg_cursors) as cursors,
    (select count(*)::int from pg_listening_channels()) as channels,
    current_setting('statement_timeout') as timeout,
    current_setting('application_name') <> 'changed' as named,
    to_regclass('pg_temp.leftover') as temp`)
  const { pid, ...found } = rows[0]
  const clean = { alone: true, locks: 0, channels: 0, timeout: '0', named: true, temp: null }
  assert.deepEqual(found, { ...clean, cursors: 0 })
  return pid
}
