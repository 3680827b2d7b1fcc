/** A connection of the caller's: what is opened beside it is as that is, and it is its owner who closes it. */
import assert from 'node:assert/strict'
import type * as NodeSqlite from 'node:sqlite'
import * as runner from 'node:test'
import { sqlite } from 'unwind/node-sqlite'
import { insert, names, openAt, openRaw, temporaryPath } from './support/database.ts'
import { test } from './support/drivers.ts'
import { withCode } from './support/promises.ts'

for (const options of [{ bigints: true }, { timeout: 1_234 }]) {
  test(`a reader gives and waits as the connection of the caller: ${JSON.stringify(options)}`, async (t) => {
    const raw = openRaw(t, temporaryPath(t), options)
    using db = openAt(t, raw.database, { readers: 1 })
    await using reader = await db.read()
    for (const sql of ['select 1 as n', 'pragma busy_timeout']) {
      assert.deepEqual(reader.prepare(sql).all(), db.prepare(sql).all())
    }
  })
}

const builtin = process.getBuiltinModule('node:sqlite') as typeof NodeSqlite | undefined
const options = { skip: builtin === undefined }

runner.test('a DatabaseSync that was closed and opened anew is another connection', options, () => {
  assert.ok(builtin)
  const raw = new builtin.DatabaseSync(':memory:')
  const before = sqlite(raw)
  const tx = before.begin()
  tx.exec('create table item (name text)')
  tx.commit()
  raw.close()
  raw.open()
  const closed = withCode('ERR_DISPOSED', /was closed by its owner/)
  assert.throws(() => before.begin(), closed)
  using db = sqlite(raw)
  db.exec('create table item (name text)')
  {
    using again = db.begin()
    insert(again, 'a')
    again.commit()
  }
  assert.deepEqual(names(db), ['a'])
  before[Symbol.dispose]()
  assert.deepEqual(names(db), ['a'])
})

runner.test(
  'a statement whose iterator is open says that its connection was closed',
  options,
  () => {
    assert.ok(builtin)
    const raw = new builtin.DatabaseSync(':memory:')
    using db = sqlite(raw)
    const statement = db.prepare('select 1 union select 2')
    const [first, second] = [statement.iterate(), statement.iterate()]
    assert.ok(first.next().done === false && second.next().done === false)
    raw.close()
    for (const use of [() => statement.get(), () => statement.iterate(), () => first.next()]) {
      assert.throws(use, (error: Error & { cause?: Error }) => {
        assert.match(error.message, /was closed by its owner/)
        assert.doesNotMatch(String(error.cause?.message), /was closed by its owner/)
        return true
      })
    }
  },
)
