/** BEGIN and COMMIT as whoever stands between a client and the driver sees them. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import pg from 'pg'
import { pgPool, type PgPool } from 'unwind/pg'

import { newPool } from './support/database.ts'

type Answer = (error: Error | null, result: { readonly command: string }) => void
type Query = (this: pg.Client, ...args: [unknown, unknown, Answer]) => unknown

/** What a transaction with a savepoint sends, and what the server calls it. */
const frames = ['BEGIN', 'SAVEPOINT', 'RELEASE', 'COMMIT']

const driversOwn = pg.Client.prototype.query as unknown as Query

/** Adds a comment to every text, as who marks the statements of a service does, and notes how each was answered. */
function commenting(seen: string[], next: Query): Query {
  return function query(this: pg.Client, text, values, callback) {
    const answer: Answer = (error, result) => {
      seen.push(error === null ? result.command : error.message)
      callback(error, result)
    }
    return next.call(this, `/* ours */ ${text as string}`, values, answer)
  }
}

async function useFrames(pool: PgPool): Promise<void> {
  await pool.transaction(async (tx) => {
    await using savepoint = await tx.savepoint()
    await savepoint.commit()
  })
}

/** For what `run` does, every client has `query` of the driver's class. */
async function patched(query: Query, run: () => Promise<void>): Promise<void> {
  const { prototype } = pg.Client
  const { query: original } = prototype
  prototype.query = query as unknown as typeof original
  try {
    await run()
  } finally {
    prototype.query = original
  }
}

test('a class of clients with a query of its own is given texts, and a callback', async () => {
  const seen: string[] = []
  class Client extends pg.Client {}
  Client.prototype.query = commenting(seen, driversOwn) as unknown as typeof Client.prototype.query
  class Overriding extends pg.Client {
    override query(...args: unknown[]): never {
      return commenting(seen, driversOwn).apply(this, args as Parameters<Query>) as never
    }
  }
  for (const clients of [Client, Overriding]) {
    seen.length = 0
    await using pool = pgPool(() => newPool({ Client: clients }))
    await useFrames(pool)
    assert.deepEqual(seen, frames)
  }
})

test('a client whose query somebody wrapped is given texts, and a callback', async () => {
  const seen: string[] = []
  await using pool = pgPool(() => {
    const made = newPool()
    made.on('connect', (client) => {
      Object.assign(client, { query: commenting(seen, driversOwn) })
    })
    return made
  })
  await useFrames(pool)
  assert.deepEqual(seen, frames)
})

test('a driver whose query somebody patched is given texts, and a callback', async () => {
  const seen: string[] = []
  await patched(commenting(seen, driversOwn), async () => {
    await using pool = pgPool(() => newPool())
    await useFrames(pool)
  })
  assert.deepEqual(seen, frames)
})
