/** `read()`: read-only connections beside the writer. */
import assert from 'node:assert/strict'
import { renameSync } from 'node:fs'
import { describe } from 'node:test'
import { insert, names, openAt, openFile, openMemory, temporaryPath } from './support/database.ts'
import { test, type Owned } from './support/drivers.ts'
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

/** What the next one must not find. */
const changes = (path: string): string[] => [
  `attach '${path}' as other`,
  'pragma case_sensitive_like = 1',
  ' /* why */ PRAGMA main . recursive_triggers(1)',
  ';pragma "foreign_keys" = 0',
  'explain pragma case_sensitive_like = 1',
]

const questions = [
  'pragma foreign_keys',
  'pragma table_info(item)',
  "pragma main.table_xinfo('item')",
  'pragma foreign_key_check(item)',
  "select name from pragma_table_info('item')",
  "select 'pragma foreign_keys = 0; attach'",
]

/** One of the drivers wants to know whether there are rows. */
function make(reader: Pick<Owned, 'prepare'>, change: string): void {
  const statement = reader.prepare(change)
  try {
    statement.run()
  } catch (error) {
    assert.ok(error instanceof TypeError, String(error))
    statement.all()
  }
}

function settingsOf(reader: Pick<Owned, 'prepare'>): unknown {
  const settings = ['foreign_keys', 'recursive_triggers']
  return [
    ...settings.map((name) => reader.prepare(`pragma ${name}`).get()),
    reader.prepare("select 'A' like 'a' as likes").get(),
    reader.prepare('select name from pragma_database_list').all(),
  ]
}

test('a reader may change its connection, and the next one does not find that', async (t) => {
  const { db, path } = openFile(t, { readers: 1 })
  const reader = await db.read()
  const before = settingsOf(reader)
  await reader[Symbol.asyncDispose]()
  for (const change of changes(path)) {
    const changing = await db.read()
    const waiting = db.read()
    make(changing, change)
    if (change.startsWith('attach')) {
      assert.deepEqual(changing.prepare('select * from other.item').all(), [])
    }
    await changing[Symbol.asyncDispose]()
    await using next = await within(waiting)
    assert.deepEqual(settingsOf(next), before, change)
  }
})

test('a reader of the connection that all share cannot change it, and asks what it likes', async (t) => {
  const { db, path } = openFile(t)
  const before = settingsOf(db)
  await using reader = await db.read()
  for (const change of [...changes(path), 'detach other']) {
    assert.throws(
      () => reader.prepare(change),
      withCode('ERR_SQLITE_MISUSE', /for everybody.*exec\(\) of the database.*`readers`/),
      change,
    )
  }
  for (const question of questions) reader.prepare(question).all()
  assert.deepEqual(settingsOf(reader), before)
  // What is set by the database itself stays.
  db.exec('pragma recursive_triggers = 1')
  assert.deepEqual(reader.prepare('pragma recursive_triggers').get(), { recursive_triggers: 1 })
})

test('a reader that only asks keeps its connection for the next one', async (t) => {
  const { db, path } = openFile(t, { readers: 1 })
  {
    await using reader = await db.read()
    for (const question of questions) reader.prepare(question).all()
  }
  // Another connection would not be opened now.
  renameSync(path, `${path}.away`)
  await using next = await db.read()
  assert.deepEqual(names(next), [])
})

test('where a changed connection cannot be opened again, whoever waits is told, and the next one tries', async (t) => {
  const { db, path } = openFile(t, { readers: 1 })
  const changing = await db.read()
  make(changing, 'pragma case_sensitive_like = 1')
  const waiting = db.read()
  renameSync(path, `${path}.away`)
  await changing[Symbol.asyncDispose]()
  await assert.rejects(within(waiting), withCode('ERR_SQLITE_OPEN'))
  renameSync(`${path}.away`, path)
  await using next = await within(db.read())
  assert.deepEqual(names(next), [])
})

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
