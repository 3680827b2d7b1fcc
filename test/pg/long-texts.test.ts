/** A text is looked at whatever its length: values of some megabytes may stand in it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pgPool } from 'unwind/pg'

import { newPool } from './support/database.ts'
import { use } from './support/next-holder.ts'

const length = 8_000_000

/** Literals, and what stands for one character in each. */
const literals: Record<string, (inside: string) => string> = {
  'between quotes': (inside) => `'${inside}'`,
  'with doubled quotes': (inside) => `'${inside}${"''".repeat(length)}'`,
  'with escapes': (inside) => `e'${inside}${String.raw`\'`.repeat(length)}'`,
  'between dollars': (inside) => `$x$${inside}$x$`,
}

for (const [what, literal] of Object.entries(literals)) {
  test(`megabytes ${what} are a value like any other`, async () => {
    await using pool = pgPool(() => newPool(), { grace: 60_000 })
    const long = literal('commit;'.repeat(length / 7))
    await pool.transaction(async (tx) => {
      const { rows } = await tx.query(`select length(${long}) > ${length - 7} as long; select 1`)
      assert.equal(rows, undefined)
    })
    // What has failed is looked at, too.
    await use(pool, (lease) =>
      assert.rejects(lease.query(`select 1 / length(left(${long}, 0))`), { code: '22012' }),
    )
  })
}

test('megabytes of a setting are a setting like any other', async () => {
  await using pool = pgPool(() => newPool(), { grace: 60_000 })
  const value = 'x'.repeat(length)
  for (const local of [true, false]) {
    await using lease = await pool.acquire()
    await lease.query(`select length(set_config('a.b', '${value}', ${local}))`)
  }
  const { rows } = await pool.query("select current_setting('a.b', true) as value")
  assert.deepEqual(rows, [{ value: '' }])
})
