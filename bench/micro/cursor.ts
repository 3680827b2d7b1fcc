/**
 * What do ten thousand rows cost that are read in batches of a hundred?
 * Baseline: `pg-cursor` by hand, on a client of the same pool and the same connection. Every case counts the rows.
 */
import assert from 'node:assert/strict'
import Cursor from 'pg-cursor'
import QueryStream from 'pg-query-stream'
import { pgPool } from 'unwind/pg'
import type { Suite } from '../harness.ts'
import { openDatabase } from '../support/database.ts'

const rows = 10_000
const batch = 100
const statement = `select n, 'a row of the usual kind' as text from generate_series(1, ${rows}) as n`

export async function open(): Promise<Suite> {
  const database = await openDatabase()
  const raw = database.pool
  const pool = pgPool(raw)

  async function byHand(): Promise<number> {
    const client = await raw.connect()
    try {
      const cursor = client.query(new Cursor(statement))
      let seen = 0
      for (;;) {
        const page = await cursor.read(batch)
        if (page.length === 0) break
        for (const _ of page) seen += 1
      }
      await cursor.close()
      return seen
    } finally {
      client.release()
    }
  }

  async function streamed(): Promise<number> {
    const client = await raw.connect()
    try {
      let seen = 0
      for await (const _ of client.query(new QueryStream(statement, [], { batchSize: batch })))
        seen += 1
      return seen
    } finally {
      client.release()
    }
  }

  async function leased(inPages: boolean): Promise<number> {
    const lease = await pool.acquire()
    try {
      const cursor = lease.cursor(statement, [], { batch })
      let seen = 0
      if (!inPages) for await (const _ of cursor) seen += 1
      for (let page = await cursor.read(batch); page.length > 0; page = await cursor.read(batch)) {
        for (const _ of page) seen += 1
      }
      return seen
    } finally {
      await lease[Symbol.asyncDispose]()
    }
  }

  return {
    question: 'What do ten thousand rows cost that are read in batches of a hundred?',
    baseline: { name: 'pg-cursor, page by page', operation: byHand, check: isAll },
    cases: [
      { name: 'unwind: cursor.read, page by page', operation: () => leased(true), check: isAll },
      { name: 'unwind: for await, row by row', operation: () => leased(false), check: isAll },
      { name: 'pg-query-stream: for await, row by row', operation: streamed, check: isAll },
    ],
    async [Symbol.asyncDispose]() {
      await pool[Symbol.asyncDispose]()
      await database[Symbol.asyncDispose]()
    },
  }
}

function isAll(seen: unknown): void {
  assert.equal(seen, rows)
}
