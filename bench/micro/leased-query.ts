/**
 * What does a statement cost on a connection that is leased, beside one by hand?
 * Baseline: `connect`, `try`, `finally`, `release`, on the same pool of node-postgres and the same connection.
 */
import assert from 'node:assert/strict'
import { pgPool } from 'unwind/pg'
import type { Suite } from '../harness.ts'
import { openDatabase } from '../support/database.ts'

export async function open(): Promise<Suite> {
  const database = await openDatabase()
  const raw = database.pool
  const pool = pgPool(raw)

  async function byHand(): Promise<unknown> {
    const client = await raw.connect()
    try {
      return await client.query('select 1 as one')
    } finally {
      client.release()
    }
  }

  async function leased(): Promise<unknown> {
    const lease = await pool.acquire()
    try {
      return await lease.query('select 1 as one')
    } finally {
      await lease[Symbol.asyncDispose]()
    }
  }

  return {
    question: 'What does a statement cost on a connection that is leased, beside one by hand?',
    baseline: { name: 'connect + try/finally + release', operation: byHand, check: isOne },
    cases: [
      { name: 'unwind: acquire + try/finally + dispose', operation: leased, check: isOne },
      { name: 'pg: pool.query', operation: () => raw.query('select 1 as one'), check: isOne },
      { name: 'unwind: pool.query', operation: () => pool.query('select 1 as one'), check: isOne },
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
