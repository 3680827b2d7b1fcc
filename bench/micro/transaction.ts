/**
 * What does a transaction of one statement cost, beside one by hand, and beside those of query builders?
 * Baseline: BEGIN, the statement and COMMIT by hand, with ROLLBACK and `release` where they belong, on the same pool of
 * node-postgres and the same connection. Every case sends the same statements.
 */
import assert from 'node:assert/strict'
import { sql as drizzleSql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import { Kysely, PostgresDialect, sql } from 'kysely'
import { pgPool } from 'unwind/pg'
import type { Suite } from '../harness.ts'
import { openDatabase } from '../support/database.ts'

const statement = 'select 1 as one'

export async function open(): Promise<Suite> {
  const database = await openDatabase()
  const raw = database.pool
  const pool = pgPool(raw)
  const kysely = new Kysely<object>({ dialect: new PostgresDialect({ pool: raw }) })
  const orm = drizzle({ client: raw })

  async function byHand(): Promise<unknown> {
    const client = await raw.connect()
    try {
      await client.query('BEGIN')
      try {
        const result = await client.query(statement)
        await client.query('COMMIT')
        return result
      } catch (error) {
        await client.query('ROLLBACK')
        throw error
      }
    } finally {
      client.release()
    }
  }

  async function begun(): Promise<unknown> {
    const lease = await pool.acquire()
    try {
      const tx = await lease.begin()
      try {
        const result = await tx.query(statement)
        await tx.commit()
        return result
      } finally {
        await tx[Symbol.asyncDispose]()
      }
    } finally {
      await lease[Symbol.asyncDispose]()
    }
  }

  return {
    question: 'What does a transaction of one statement cost, beside one by hand?',
    baseline: { name: 'BEGIN + COMMIT by hand', operation: byHand, check: isOne },
    cases: [
      {
        name: 'unwind: pool.transaction',
        operation: () => pool.transaction((tx) => tx.query(statement)),
        check: isOne,
      },
      { name: 'unwind: acquire, begin, commit', operation: begun, check: isOne },
      {
        name: 'kysely: db.transaction',
        operation: () => kysely.transaction().execute((tx) => sql.raw(statement).execute(tx)),
        check: isOne,
      },
      {
        name: 'drizzle: db.transaction',
        operation: () => orm.transaction((tx) => tx.execute(drizzleSql.raw(statement))),
        check: isOne,
      },
    ],
    async [Symbol.asyncDispose]() {
      await pool[Symbol.asyncDispose]()
      await database[Symbol.asyncDispose]()
    },
  }
}

function isOne(result: unknown): void {
  assert.deepEqual((result as { rows: unknown }).rows, [{ one: 1 }])
}
