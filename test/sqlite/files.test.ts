/** Which file a database is: one with several names, one that is removed or replaced, one that others hold. */
import assert from 'node:assert/strict'
import fs, { existsSync, linkSync, rmSync, symlinkSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { dirname, join, relative } from 'node:path'
import type { TestContext } from 'node:test'
import type { SqliteDatabase } from 'unwind/better-sqlite3'
import {
  committedIn,
  filesOf,
  insert,
  names,
  openAt,
  openFile,
  openMemory,
  openRaw,
  temporaryPath,
} from './support/database.ts'
import { test, driverOf, type Raw } from './support/drivers.ts'
import { isPending, withCode, within } from './support/promises.ts'

/** Another connection to what is there already, or to a new file. */
function other(t: TestContext, path: string): Raw {
  const raw = openRaw(t, path)
  raw.exec("create table if not exists item (name text); insert into item values ('other')")
  return raw
}

function remove(path: string): void {
  for (const end of ['', '-wal', '-shm']) rmSync(`${path}${end}`, { force: true })
}

test('a backup whose copy another connection holds says so, and copies nothing', async (t) => {
  const { db } = openFile(t)
  insert(db, 'a')
  const target = temporaryPath(t, 'copy.db')
  const holder = other(t, target)
  holder.exec('begin exclusive')
  await assert.rejects(
    within(db.backup(target)),
    withCode('ERR_SQLITE_BUSY', /Cannot copy ".*test\.db" to ".*copy\.db": another connection/),
  )
  holder.exec('rollback')
  assert.deepEqual(committedIn(t, target), ['other'])
  await within(db.backup(target))
  assert.deepEqual(committedIn(t, target), ['a'])
})

test('a backup of a file that another connection holds says so, and leaves no file', async (t) => {
  const { db, path } = openFile(t, { defaults: false })
  insert(db, 'a')
  const holder = openRaw(t, path)
  holder.exec('begin exclusive')
  const target = temporaryPath(t, 'copy.db')
  await assert.rejects(within(db.backup(target)), withCode('ERR_SQLITE_BUSY', /Cannot copy/))
  assert.deepEqual(filesOf(target), [])
  holder.exec('rollback')
  await within(db.backup(target))
  assert.deepEqual(committedIn(t, target), ['a'])
})

test('so does one of a file that its own connection keeps for itself', async (t) => {
  const { db } = openFile(t)
  db.exec("pragma locking_mode = exclusive; insert into item values ('a')")
  const target = temporaryPath(t, 'copy.db')
  await assert.rejects(within(db.backup(target)), withCode('ERR_SQLITE_BUSY', /Cannot copy/))
  assert.deepEqual(filesOf(target), [])
})

test('of two backups onto one file the second is refused, and the first is there', async (t) => {
  const { db, path } = openFile(t)
  insert(db, 'a')
  using other = openAt(t, path)
  const target = temporaryPath(t, 'copy.db')
  const folder = join(dirname(target), 'other name')
  symlinkSync(dirname(target), folder, 'junction')
  const first = db.backup(target)
  const refused = withCode('ERR_SQLITE_BUSY', /another backup is being written there/)
  await assert.rejects(db.backup(target), refused)
  await assert.rejects(other.backup(relative('.', target)), refused)
  await assert.rejects(other.backup(join(folder, 'copy.db')), refused)
  await within(first)
  assert.deepEqual(committedIn(t, target), ['a'])
  await within(other.backup(target))
})

test('a backup of what is empty is empty', async (t) => {
  using db = openAt(t, temporaryPath(t), { defaults: false })
  const target = temporaryPath(t, 'copy.db')
  await within(db.backup(target))
  assert.equal(existsSync(target), true)
})

test('a backup has what the database holds, also where its file was removed or replaced', async (t) => {
  const { db, path } = openFile(t)
  insert(db, 'ours')
  const target = temporaryPath(t, 'copy.db')
  remove(path)
  await within(db.backup(target))
  assert.deepEqual(committedIn(t, target), ['ours'])
  assert.equal(existsSync(path), false)
  other(t, path).close()
  await within(db.backup(target))
  assert.deepEqual(committedIn(t, target), ['ours'])
})

test('a reader of a file that was removed or replaced is refused, and reads no other file', async (t) => {
  const { db, path } = openFile(t, { readers: 1 })
  const refused = withCode(
    'ERR_SQLITE_OPEN',
    /test\.db" once more: its file was removed or replaced/,
  )
  remove(path)
  await assert.rejects(db.read(), refused)
  other(t, path).close()
  await assert.rejects(db.read(), refused)
  insert(db, 'ours')
  assert.deepEqual(db.prepare('select name from item').all(), [{ name: 'ours' }])
})

test('a second name of the file is the database itself for a backup', async (t) => {
  const { db, path } = openFile(t)
  linkSync(path, `${path}.link`)
  await assert.rejects(
    db.backup(`${path}.link`),
    withCode('ERR_SQLITE_MISUSE', /is the database itself/),
  )
})

test('where a file system numbers no files, each is known by its path', async (t) => {
  const { statSync } = fs
  const { mock } = t.mock.method(fs, 'statSync', (path: string, options: fs.StatSyncOptions) => {
    const stats = statSync(path, options)
    return stats && Object.assign(stats, { ino: 0n })
  })
  syncBuiltinESMExports()
  t.after(() => {
    mock.restore()
    syncBuiltinESMExports()
  })
  const { db, path } = openFile(t)
  const { db: second, committed } = openFile(t)
  using tx = db.begin()
  insert(second, 'a')
  tx.rollback()
  await assert.rejects(db.backup(path), withCode('ERR_SQLITE_MISUSE', /is the database itself/))
  const target = temporaryPath(t, 'copy.db')
  other(t, target).close()
  await within(second.backup(target))
  assert.deepEqual([committed(), committedIn(t, target)], [['a'], ['a']])
})

test('what SQLite calls by another name is found: readers, turns and all', async (t) => {
  const { db, path } = openFile(t)
  const name = driverOf(t).name === 'node-sqlite' ? `file:${path}?cache=private` : `${path}/`
  using same = openAt(t, name, { readers: 1 })
  const tx = await db.write()
  insert(tx, 'a')
  const waiting = same.write()
  assert.equal(await isPending(waiting), true)
  await using reader = await same.read()
  assert.deepEqual(reader.prepare('select * from item').all(), [])
  tx.rollback()
  const second = await within(waiting)
  second.rollback()
})

test('a database that is disposed again leaves those alone who opened the file since: they take turns', async (t) => {
  const { db, path } = openFile(t)
  db[Symbol.dispose]()
  using second = openAt(t, path)
  db[Symbol.dispose]()
  using third = openAt(t, path)
  const tx = await second.write()
  const next = third.write()
  assert.ok(await isPending(next))
  tx.rollback()
  const { state } = await next
  assert.equal(state, 'open')
})

test('a path with a NUL is refused: for SQLite it ends there; and for a backup a URI', async (t) => {
  const path = `${temporaryPath(t)}\0.db`
  assert.throws(() => openAt(t, path), {
    name: 'TypeError',
    message: /first argument of sqlite\(\)/,
  })
  const { db } = openFile(t)
  for (const target of [path, ':memory:', `file:${temporaryPath(t)}`]) {
    await assert.rejects(db.backup(target), {
      name: 'TypeError',
      message: /first argument of backup\(\) to be the path of a file/,
    })
  }
})

test('a commit that finds the file held leaves the transaction open, and can be made again', async (t) => {
  const { db, path, committed } = openFile(t, { defaults: false })
  const holder = openRaw(t, path)
  holder.exec('begin; select * from item')
  const held = withCode('ERR_SQLITE_BUSY', /Another connection holds ".*test\.db"/)
  assert.throws(() => db.transaction((tx) => insert(tx, 'undone')), held)
  await using tx = await db.write()
  insert(tx, 'a')
  assert.throws(() => tx.commit(), held)
  assert.equal(tx.state, 'open')
  holder.exec('rollback')
  tx.commit()
  assert.deepEqual(committed(), ['a'])
})

test('a reader that finds the file held says so, and reads when it is free', async (t) => {
  const { db, path } = openFile(t, { defaults: false, readers: 1 })
  const holder = openRaw(t, path)
  holder.exec('begin exclusive')
  const held = withCode('ERR_SQLITE_BUSY', /Another connection holds ".*test\.db"/)
  await using reader = await db.read()
  assert.throws(() => reader.prepare('select * from item').all(), held)
  holder.exec('rollback')
  assert.deepEqual(reader.prepare('select * from item').all(), [])
})

test('a full disk fails the transaction that filled it, and the next one is whole', async (t) => {
  const { db, committed } = openFile(t)
  db.exec('pragma max_page_count = 10')
  const full = withCode('SQLITE_FULL')
  const fill = (tx: { prepare: typeof db.prepare }): void => {
    for (let n = 0; n < 20; n += 1) insert(tx, 'x'.repeat(4_000))
  }
  assert.throws(() => db.transaction(fill), full)
  {
    const tx = await db.write()
    assert.throws(() => fill(tx), full)
    assert.equal(tx.state, 'rolled back')
    assert.throws(() => tx.commit(), withCode('ERR_DISPOSED', /rolled back by SQLite/))
  }
  insert(db, 'a')
  assert.deepEqual(committed(), ['a'])
})

// As where a read sorts more than the disk has room for: SQLite rolls back what is open on its connection.
const beside = {
  'the database': (db: SqliteDatabase) => db,
  'a reader that shares its connection': (db: SqliteDatabase) => db.read(),
  'another database over it': (_: SqliteDatabase, t: TestContext, { database }: Raw) =>
    openAt(t, database),
}
for (const [who, open] of Object.entries(beside)) {
  test(`a transaction that ended when a statement of ${who} failed is over`, async (t) => {
    const { db, raw } = openMemory(t)
    const session = await open(db, t, raw)
    const failing = session.prepare('select abs(-9223372036854775807 - 1)')
    const tx = await db.write()
    insert(tx, 'a')
    raw.exec('rollback')
    assert.throws(() => failing.get(), /integer overflow/)
    assert.equal(tx.state, 'rolled back')
    assert.throws(() => insert(tx, 'b'), withCode('ERR_DISPOSED', /rolled back by SQLite/))
    insert(db, 'c')
    assert.deepEqual(names(db), ['c'])
  })
}

test('what is attached is part of the transaction, and held by it for everybody else', async (t) => {
  const { db } = openFile(t)
  const { db: second, path, committed } = openFile(t)
  db.exec(`attach '${path}' as second`)
  const tx = await db.write()
  tx.exec("insert into item values ('a'); insert into second.item values ('b')")
  assert.throws(() => insert(second, 'stray'), withCode('ERR_SQLITE_BUSY', /Another connection/))
  tx.commit()
  insert(second, 'c')
  assert.deepEqual(committed(), ['b', 'c'])
})
