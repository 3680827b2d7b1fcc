/** What wrappers of the driver hand on for what they were not given: to it, `null` is none. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type pg from 'pg'
import { pgPool } from 'unwind/pg'

import { newPool } from './support/database.ts'

const config = { text: 'select $1::int as v', values: [1] }

test('what is null in a call of a facade is left out, as with the driver', async () => {
  await using leases = pgPool(() => newPool())
  const raw = newPool()
  // The types of the driver leave this out.
  for (const pool of [leases.driver, raw] as unknown as WithNulls[]) {
    assert.deepEqual((await pool.query(config, null)).rows, [{ v: 1 }])
    assert.deepEqual((await pool.query(config.text, config.values, null)).rows, [{ v: 1 }])
    const client = await pool.connect(null)
    assert.deepEqual((await client.query(config, null, null)).rows, [{ v: 1 }])
    assert.deepEqual((await client.query(config.text, config.values, null)).rows, [{ v: 1 }])
    assert.deepEqual((await client.query('select 2 as v', null, null)).rows, [{ v: 2 }])
    client.release(null)
    assert.equal(pool.idleCount, 1)
  }
  assert.equal(await (leases.driver as unknown as WithNulls).end(null), undefined)
  await raw.end()
})

interface WithNulls {
  readonly idleCount: number
  connect(callback: null): Promise<WithNulls & { release(error: null): void }>
  end(callback: null): Promise<void>
  query(
    first: string | pg.QueryConfig,
    values: unknown[] | null,
    callback?: null,
  ): Promise<pg.QueryResult>
}
