/** Statements of the libraries that make SQL of templates, such as sql-template-tag: objects of a class of theirs. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type pg from 'pg'
import { pgPool } from 'unwind/pg'

import { newPool } from './support/database.ts'

/** Its text is made when somebody reads it. */
class Template {
  readonly values: unknown[]
  readonly #parts: readonly string[]

  constructor(parts: readonly string[], values: unknown[]) {
    this.#parts = parts
    this.values = values
  }

  get text(): string {
    return this.#parts.join('$1')
  }
}

const statement = new Template(['select ', '::int as number'], [1])

test('a pool, a lease and a transaction take one', async () => {
  await using pool = pgPool(() => newPool({ max: 2 }))
  await using lease = await pool.acquire()
  await using tx = await lease.begin()
  for (const queryable of [pool, lease, tx]) {
    const { rows } = await queryable.query(statement)
    assert.deepEqual(rows, [{ number: 1 }])
  }
})

test('so does what stands for a pool of the driver, and its clients, with other values too', async () => {
  await using pool = pgPool(() => newPool({ max: 3 }))
  await using lease = await pool.acquire()
  for (const facade of [pool.driver, lease.asPool<pg.Pool>()]) {
    const client = await facade.connect()
    for (const queryable of [facade, client]) {
      const own = await queryable.query(statement)
      assert.deepEqual(own.rows, [{ number: 1 }])
      const given = await queryable.query(statement, [2])
      assert.deepEqual(given.rows, [{ number: 2 }])
    }
    client.release()
  }
})
