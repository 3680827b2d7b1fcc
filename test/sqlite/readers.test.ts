/** `read()`: read-only connections beside the writer. */
import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { insert, names, openAt, openFile, openMemory, temporaryPath } from './support/database.ts'
import { test } from './support/drivers.ts'
import { isPending, withCode, within } from './support/promises.ts'

describe('with readers', () => {
  test('a reader does not see what is not committed', async (t) => {
    const { db } = openFile(t, { readers: 1 })
    await using tx = await db.write()
    insert(tx, 'a')
    await using reader = await db.read()
    assert.deepEqual(names(reader), [])
    tx.commit()
    assert.deepEqual(names(reader), ['a'])
  })

  test('a reader reads while somebody writes, and keeps nobody from writing', async (t) => {
    const { db, committed } = openFile(t, { readers: 1 })
    insert(db, 'a', 'b')
    await using reader = await db.read()
    const rows = reader.prepare<{ name: string }>('select name from item').iterate()
    assert.equal(rows.next().value?.name, 'a')
    db.transaction((tx) => insert(tx, 'c'))
    assert.equal(rows.next().value?.name, 'b')
    assert.equal(rows.next().done, true)
    assert.deepEqual(committed(), ['a', 'b', 'c'])
  })

  test('there are as many at a time as the option says; the next one waits its turn', async (t) => {
    const { db } = openFile(t, { readers: 2 })
    const first = await db.read()
    await using _second = await db.read()
    const third = db.read()
    const fourth = db.read()
    assert.equal(await isPending(third), true)
    await first[Symbol.asyncDispose]()
    await using reader = await within(third)
    assert.deepEqual(names(reader), [])
    assert.equal(await isPending(fourth), true)
    await reader[Symbol.asyncDispose]()
    await using _last = await within(fourth)
  })

  test('an abort ends the wait with its reason and leaves the reader to the next one', async (t) => {
    const { db } = openFile(t, { readers: 1 })
    const controller = new AbortController()
    const reader = await db.read()
    const impatient = db.read({ signal: controller.signal })
    const patient = db.read()
    controller.abort('left')
    await assert.rejects(within(impatient), (error) => error === 'left')
    await reader[Symbol.asyncDispose]()
    await using next = await within(patient)
    assert.deepEqual(names(next), [])
    await assert.rejects(
      db.read({ signal: AbortSignal.abort('early') }),
      (error) => error === 'early',
    )
  })

  test('an abort between the turn and its use gives the reader on', async (t) => {
    const { db } = openFile(t, { readers: 1 })
    const controller = new AbortController()
    const reader = await db.read()
    const late = db.read({ signal: controller.signal })
    const released = reader[Symbol.asyncDispose]()
    controller.abort(new Error('too late'))
    await assert.rejects(within(late), /too late/)
    await released
    await using next = await within(db.read())
    assert.deepEqual(names(next), [])
  })
})

for (const readers of [0, 1]) {
  describe(`with ${readers} readers`, () => {
    test('a reader cannot write', async (t) => {
      const { db } = openFile(t, { readers })
      await using reader = await db.read()
      for (const sql of [
        "insert into item values ('a')",
        "insert into item values ('a') returning name",
        'drop table item',
        'vacuum',
      ]) {
        assert.throws(() => reader.prepare(sql), withCode('ERR_SQLITE_MISUSE', /only reads/), sql)
      }
      assert.throws(() => reader.prepare('begin'), withCode('ERR_SQLITE_MISUSE'))
      assert.deepEqual(names(reader), [])
    })

    test('after its release a reader and its statements are dead; a second release does nothing', async (t) => {
      const { db } = openFile(t, { readers })
      const reader = await db.read()
      const statement = reader.prepare('select 1')
      await reader[Symbol.asyncDispose]()
      await reader[Symbol.asyncDispose]()
      const gone = withCode('ERR_DISPOSED', /reader of "[^"]*test\.db"/)
      assert.throws(() => reader.prepare('select 1'), gone)
      assert.throws(() => statement.get(), gone)
      await using first = await within(db.read())
      assert.deepEqual(names(first), [])
    })
  })
}

test('without readers the writer reads, and waits for nobody', async (t) => {
  const { db } = openFile(t)
  await using tx = await db.write()
  insert(tx, 'a')
  await using one = await within(db.read())
  await using two = await within(db.read())
  assert.deepEqual(names(one), ['a'])
  assert.deepEqual(names(two), ['a'])
})

test('readers are ignored for what is in memory', async (t) => {
  using db = openAt(t, ':memory:', { readers: 4 })
  db.exec("create table item (name text); insert into item values ('a')")
  await using reader = await db.read()
  assert.deepEqual(names(reader), ['a'])
  const { db: other } = openMemory(t, { readers: 4 })
  insert(other, 'b')
  await using second = await other.read()
  assert.deepEqual(names(second), ['b'])
})

test('readers find the file although the current folder has changed', async (t) => {
  const path = temporaryPath(t)
  const before = process.cwd()
  t.after(() => process.chdir(before))
  process.chdir(path.slice(0, path.lastIndexOf('/')))
  using db = openAt(t, 'test.db', { readers: 1 })
  db.exec("create table item (name text); insert into item values ('a')")
  process.chdir(before)
  await using reader = await db.read()
  assert.deepEqual(names(reader), ['a'])
})
