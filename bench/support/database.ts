/** A real PostgreSQL for the suites that ask about one: `DATABASE_URL` where it is set, else one of our own. */
import { Pool } from 'pg'
import { startPostgres } from '../../test/support/postgres.ts'

export interface Database extends AsyncDisposable {
  /** One connection, so that every case pays for the same one. */
  readonly pool: Pool
}

export async function openDatabase(): Promise<Database> {
  const given = process.env['DATABASE_URL']
  const server = given === undefined ? await startPostgres() : undefined
  const pool = new Pool({ connectionString: given ?? server?.url, max: 1 })
  return {
    pool,
    async [Symbol.asyncDispose]() {
      await pool.end()
      await server?.stop()
    },
  }
}
