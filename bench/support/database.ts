/** A real PostgreSQL for the suites that ask about one: `DATABASE_URL` where it is set, else one of our own. */
import { spawnSync } from 'node:child_process'
import { Pool } from 'pg'
import { startPostgres } from '../../test/support/postgres.ts'

export interface Database extends AsyncDisposable {
  /** One connection, so that every case pays for the same one. */
  readonly pool: Pool
}

export async function openDatabase(): Promise<Database> {
  const given = process.env['DATABASE_URL']
  const server = given === undefined ? await startPostgres() : undefined
  if (server !== undefined) keepApart(server.pid)
  const pool = new Pool({ connectionString: given ?? server?.url, max: 1 })
  return {
    pool,
    async [Symbol.asyncDispose]() {
      await pool.end()
      await server?.stop()
    },
  }
}

/**
 * A processor each, where the system can be told so. Else its scheduler decides from one moment to the next whether the
 * server's answer is there at once or has to be slept for, and that difference is larger than what is asked about.
 */
function keepApart(server: number): void {
  const pairs = [
    [process.pid, '0'],
    [server, '1'],
  ] as const
  for (const [pid, processor] of pairs) {
    spawnSync('taskset', ['-apc', processor, String(pid)], { stdio: 'ignore' })
  }
}
