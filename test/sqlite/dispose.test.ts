/** Disposing a database, in every state it can be in. */
import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { assertNoLeaks } from 'unwind/testing'
import {
  committedIn,
  deferredForeignKey,
  filesOf,
  insert,
  names,
  openAt,
  openFile,
  openMemory,
  openRaw,
  temporaryPath,
} from './support/database.ts'
import { test } from './support/drivers.ts'
import { withCode, within } from './support/promises.ts'

const select = 'select name from item'

for (const symbol of ['dispose', 'asyncDispose'] as const) {
  describe(`Symbol.${symbol} of a database that opened its file`, () => {
    test('the WAL files are gone after the last dispose', async (t) => {
      const { db, path } = openFile(t, { readers: 2 })
      using second = openAt(t, path)
      insert(second, 'a')
      await using one = await db.read()
      await using two = await db.read()
      assert.deepEqual(names(one), names(two))
      second[Symbol.dispose]()
      assert.deepEqual(filesOf(path).toSorted(), ['test.db', 'test.db-shm', 'test.db-wal'])
      await db[Symbol[symbol]]()
      assert.deepEqual(filesOf(path), ['test.db'])
    })

    test('the WAL files are gone although only a reader used the file, which was not in WAL mode', async (t) => {
      const path = temporaryPath(t)
      openRaw(t, path).exec('create table item (name text)')
      const db = openAt(t, path, { readers: 1 })
      await using reader = await db.read()
      assert.deepEqual(names(reader), [])
      await db[Symbol[symbol]]()
      assert.deepEqual(filesOf(path), ['test.db'])
    })

    test('what it ends on the way to its owner is not held by anybody', async (t) => {
      const { db } = openFile(t, { readers: 1, busyTimeout: 1_000 })
      await assertNoLeaks(async () => {
        const pending = Promise.all([db.write(), db.read()])
        await db[Symbol[symbol]]()
        for (const ended of await pending) {
          assert.throws(() => ended.prepare(select), withCode('ERR_DISPOSED'))
        }
      })
    })

    test('open iterators, a transaction with a savepoint and a reader are ended with it', async (t) => {
      const { db, path } = openFile(t, { readers: 1 })
      insert(db, 'a', 'b')
      const reader = await db.read()
      const rows = [db, reader].map((of) => of.prepare(select).iterate())
      for (const iterator of rows) iterator.next()
      const tx = await db.write()
      insert(tx, 'undone')
      const savepoint = tx.savepoint()
      rows.push(savepoint.prepare(select).iterate())
      rows.at(-1)?.next()
      await db[Symbol[symbol]]()

      const dead = withCode('ERR_DISPOSED')
      for (const iterator of rows) assert.throws(() => iterator.next(), dead)
      assert.deepEqual([tx.state, savepoint.state], ['rolled back', 'rolled back'])
      assert.throws(() => tx.commit(), withCode('ERR_DISPOSED', /its database was disposed first/))
      assert.throws(() => insert(savepoint, 'c'), dead)
      assert.throws(() => reader.prepare(select), dead)
      savepoint[Symbol.dispose]()
      await tx[Symbol.asyncDispose]()
      await reader[Symbol.asyncDispose]()
      assert.deepEqual(filesOf(path), ['test.db'])
      assert.deepEqual(committedIn(t, path), ['a', 'b'])
    })

    test('a transaction whose commit failed is rolled back with it', async (t) => {
      const { db, path } = openFile(t)
      deferredForeignKey(db)
      const tx = db.begin()
      insert(tx, 'undone')
      tx.exec('insert into child values (7)')
      assert.throws(() => tx.commit(), /FOREIGN KEY/)
      await db[Symbol[symbol]]()
      tx[Symbol.dispose]()
      assert.deepEqual(committedIn(t, path), [])
    })

    test('whoever waits for the writer or a reader is told', async (t) => {
      const { db } = openFile(t, { readers: 1 })
      await using _tx = await db.write()
      await using _reader = await db.read()
      const waiting = [db.write(), db.write(), db.read(), db.read()]
      const told = waiting.map((promise) =>
        assert.rejects(within(promise), withCode('ERR_DISPOSED', /database "[^"]*test\.db"/)),
      )
      await db[Symbol[symbol]]()
      await Promise.all(told)
    })

    test('a turn that came just before is given on', async (t) => {
      const { db, path } = openFile(t)
      using other = openAt(t, path)
      const tx = await db.write()
      const ours = db.write()
      const theirs = other.write()
      tx.commit()
      const told = assert.rejects(within(ours), withCode('ERR_DISPOSED'))
      await db[Symbol[symbol]]()
      await told
      await using next = await within(theirs)
      assert.equal(next.state, 'open')
    })

    test('a reader that was about to come is not handed out', async (t) => {
      const { db } = openFile(t, { readers: 1 })
      const reader = await db.read()
      const next = db.read()
      const told = assert.rejects(within(next), withCode('ERR_DISPOSED'))
      void reader[Symbol.asyncDispose]()
      await db[Symbol[symbol]]()
      await told
    })

    test('twice is the same as once, and every use after it says so', async (t) => {
      const { db, path } = openFile(t)
      await db[Symbol[symbol]]()
      db[Symbol.dispose]()
      await Promise.all([db[Symbol.asyncDispose](), db[Symbol.asyncDispose]()])
      const gone = withCode('ERR_DISPOSED', /database "[^"]*test\.db" was used after its release/)
      assert.throws(() => db.prepare(select), gone)
      assert.throws(() => db.exec(select), gone)
      assert.throws(() => db.begin(), gone)
      assert.throws(() => db.transaction(() => {}), gone)
      await assert.rejects(db.write(), gone)
      await assert.rejects(db.read(), gone)
      await assert.rejects(db.backup(`${path}.copy`), gone)
      assert.deepEqual(filesOf(path), ['test.db'])
    })

    test('one of two databases on a file leaves the other one alone', async (t) => {
      const { db, path } = openFile(t)
      using other = openAt(t, path)
      const tx = other.begin()
      insert(tx, 'a')
      void db[Symbol[symbol]]()
      tx.commit()
      assert.deepEqual(names(other), ['a'])
    })
  })
}

test('a database that is disposed inside a transaction body does not pretend to have committed', (t) => {
  const { db, path } = openFile(t)
  const act = (): void =>
    db.transaction((tx) => {
      insert(tx, 'a')
      db[Symbol.dispose]()
    })
  assert.throws(act, withCode('ERR_DISPOSED', /its database was disposed first/))
  assert.deepEqual(committedIn(t, path), [])
})

describe('a database whose turn at the writer comes', () => {
  test('disposed at whichever moment of it, the turn passes on to another database of the file', async (t) => {
    const disposed = (error: unknown) => (): boolean => withCode('ERR_DISPOSED')(error)
    for (let ticks = 0; ticks < 6; ticks += 1) {
      const { db, path } = openFile(t)
      using other = openAt(t, path)
      const first = await db.write()
      const turns = [db.write(), other.write()] as const
      const gone = turns[0].then((tx) => () => tx.state === 'rolled back', disposed)
      first.commit()
      for (let tick = 0; tick < ticks; tick += 1) await undefined
      db[Symbol.dispose]()
      await using next = await within(turns[1])
      assert.equal(next.state, 'open')
      assert.ok((await gone)())
    }
  })
})

describe('a Database of the caller', () => {
  test('it stays open and as it was; what was begun on it is ended', async (t) => {
    const path = temporaryPath(t)
    const raw = openRaw(t, path, { timeout: 123 })
    raw.exec("create table item (name text); insert into item values ('a'), ('b')")
    const db = openAt(t, raw.database)
    const rows = db.prepare(select).iterate()
    rows.next()
    const reader = await db.read()
    const tx = db.begin()
    insert(tx, 'undone')
    tx.prepare(select).iterate().next()
    db[Symbol.dispose]()
    await reader[Symbol.asyncDispose]()
    assert.equal(raw.open, true)
    assert.equal(raw.inTransaction, false)
    assert.equal(raw.column('pragma journal_mode')[0], 'delete')
    assert.equal(raw.column('pragma busy_timeout')[0], 123)
    assert.deepEqual(raw.column(select), ['a', 'b'])
    assert.throws(() => rows.next(), withCode('ERR_DISPOSED'))
    assert.throws(() => db.prepare(select), withCode('ERR_DISPOSED'))
  })

  test('the options change it where they are given', (t) => {
    const raw = openRaw(t, temporaryPath(t))
    using _db = openAt(t, raw.database, { defaults: true, busyTimeout: 7 })
    assert.equal(raw.column('pragma journal_mode')[0], 'wal')
    assert.equal(raw.column('pragma foreign_keys')[0], 1)
    assert.equal(raw.column('pragma synchronous')[0], 1)
    assert.equal(raw.column('pragma busy_timeout')[0], 7)
  })

  test('two databases over it take turns', async (t) => {
    const { db, raw } = openMemory(t)
    using other = openAt(t, raw.database)
    await using tx = await db.write()
    assert.throws(() => insert(other, 'stray'), withCode('ERR_SQLITE_BUSY'))
    const next = other.write()
    insert(tx, 'a')
    tx.commit()
    await using second = await within(next)
    second.commit()
    assert.deepEqual(names(other), ['a'])
  })

  test('a dispose inside a user function says that it cannot be, and works after it', (t) => {
    const { db, raw } = openMemory(t)
    let failure: unknown
    raw.function('interfere', () => {
      try {
        db[Symbol.dispose]()
      } catch (error) {
        failure = error
      }
      return 1
    })
    const tx = db.begin()
    insert(tx, 'undone')
    tx.prepare('select interfere()').get()
    assert.ok(withCode('ERR_SQLITE_MISUSE', /user function/)(failure))
    assert.equal(raw.inTransaction, true)
    db[Symbol.dispose]()
    assert.equal(raw.inTransaction, false)
    tx[Symbol.dispose]()
  })

  test('the same with an open iterator', (t) => {
    const { db, raw } = openMemory(t)
    insert(db, 'a', 'b')
    const failures: unknown[] = []
    raw.function('interfere', () => {
      try {
        db[Symbol.dispose]()
      } catch (error) {
        failures.push(error)
      }
      return 1
    })
    const rows = db.prepare('select interfere() as x from item').iterate()
    rows.next()
    assert.ok(withCode('ERR_SQLITE_MISUSE', /iterator on .*user function/)(failures[0]))
    assert.equal(failures.length, 1)
    db[Symbol.dispose]()
    raw.exec("insert into item values ('c')")
  })

  test('where its owner closed it, that is said, and dispose still works', async (t) => {
    const { db, raw } = openMemory(t)
    const statement = db.prepare(select)
    const tx = await db.write()
    const add = tx.prepare("insert into item values ('a')")
    const waiting = db.write()
    raw.close()
    const closed = withCode('ERR_DISPOSED', /":memory:" was closed by its owner/)
    assert.throws(() => statement.get(), closed)
    assert.throws(() => db.prepare('select 2'), closed)
    assert.throws(() => tx.prepare('select 2'), closed)
    assert.throws(() => add.run(), closed)
    assert.equal(tx.state, 'rolled back')
    await assert.rejects(within(waiting), closed)
    assert.throws(() => db.exec(select), closed)
    assert.throws(() => db.begin(), closed)
    await tx[Symbol.asyncDispose]()
    db[Symbol.dispose]()
  })
})
