/** What a notification carries arrives as it was sent, whatever it is; and so does the name of its channel. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { pgPool } from 'unwind/pg'

import { newPool } from '../pg/support/database.ts'

/** Everything that PostgreSQL takes for a text. */
const sayable = fc.string({ unit: 'binary' }).filter((text) => !text.includes('\0'))
const payloads = fc.oneof(
  sayable,
  fc.json(),
  fc.constantFrom('', ' ', "'", '"; drop table orders; --', '\\', '\n', '💡', 'x'.repeat(7_999)),
)
const channels = sayable.filter((name) => name !== '' && Buffer.byteLength(name) < 64)

test('a payload arrives as it was sent', async () => {
  await using pool = pgPool(() => newPool())
  await using subscription = await pool.listen('fuzzed')
  const arriving = subscription[Symbol.asyncIterator]()
  await fc.assert(
    fc.asyncProperty(payloads, async (payload) => {
      await pool.query('select pg_notify($1, $2)', ['fuzzed', payload])
      assert.deepEqual(await arriving.next(), { done: false, value: { payload } })
    }),
    { numRuns: 150 },
  )
})

test('a channel may have any name, and hears what is said under it alone', async () => {
  await using pool = pgPool(() => newPool())
  await using other = await pool.listen('channel')
  const arriving = other[Symbol.asyncIterator]()
  await fc.assert(
    fc.asyncProperty(channels, async (channel) => {
      await using subscription = await pool.listen(channel)
      await pool.query('select pg_notify($1, $2)', [channel, 'mine'])
      for await (const heard of subscription) {
        assert.deepEqual(heard, { payload: 'mine' })
        break
      }
    }),
    { numRuns: 20 },
  )
  await pool.query("select pg_notify('channel', 'last')")
  assert.deepEqual(await arriving.next(), { done: false, value: { payload: 'last' } })
})
