/** What cannot be opened, or is asked for wrongly, says which path or option it was, and what to do. */
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe } from 'node:test'
import { createApp } from 'unwind'
import { insert, openAt, openRaw, resourcesOf, temporaryPath } from './support/database.ts'
import { driverOf, drivers, test } from './support/drivers.ts'
import { withCode } from './support/promises.ts'

describe('a path', () => {
  test('a directory is named as one', (t) => {
    const path = dirname(temporaryPath(t))
    assert.throws(
      () => openAt(t, path),
      withCode(
        'ERR_SQLITE_OPEN',
        /"[^"]*unwind-sqlite-[^"]*": it is a directory\. Give the path of a file/,
      ),
    )
  })

  test('a folder that is not there is named', (t) => {
    const path = join(dirname(temporaryPath(t)), 'missing', 'x.db')
    assert.throws(
      () => openAt(t, path),
      withCode('ERR_SQLITE_OPEN', /missing\/x\.db": there is no folder "[^"]*missing"\. Create it/),
    )
  })

  test('a file that is no database is named and left as it was', (t) => {
    const path = temporaryPath(t, 'letter.txt')
    const text = 'Dear database, '.repeat(100)
    writeFileSync(path, text)
    for (const defaults of [true, false]) {
      assert.throws(
        () => openAt(t, path, { defaults }),
        withCode('ERR_SQLITE_OPEN', /letter\.txt": the file is not an SQLite database/),
      )
    }
    assert.equal(readFileSync(path, 'utf8'), text)
  })

  test('a file that may not be read is named', { skip: isRoot() }, (t) => {
    const path = temporaryPath(t, 'secret.db')
    openAt(t, path)[Symbol.dispose]()
    chmodSync(path, 0)
    assert.throws(
      () => openAt(t, path),
      withCode('ERR_SQLITE_OPEN', /secret\.db": this process may not read and write it/),
    )
  })

  test('a path that leads through a file is named', (t) => {
    const path = temporaryPath(t, 'file.txt')
    writeFileSync(path, 'text')
    assert.throws(
      () => openAt(t, join(path, 'x.db')),
      withCode('ERR_SQLITE_OPEN', /file\.txt\/x\.db": there is no folder/),
    )
  })

  test('a file that another process holds is named', (t) => {
    const path = temporaryPath(t, 'held.db')
    const raw = openRaw(t, path)
    raw.exec('create table item (name text); begin exclusive')
    assert.throws(
      () => openAt(t, path),
      withCode('ERR_SQLITE_BUSY', /held\.db": another process holds it.*busyTimeout/),
    )
    raw.exec('rollback')
    using db = openAt(t, path)
    insert(db, 'a')
  })

  test('what failed to open leaves nothing behind: it can be opened once the cause is gone', (t) => {
    const path = temporaryPath(t, 'late/x.db')
    assert.throws(() => openAt(t, path), withCode('ERR_SQLITE_OPEN'))
    mkdirSync(dirname(path))
    using db = openAt(t, path)
    db.exec('create table item (name text)')
  })

  test('an empty one is refused, because SQLite would open a file that is lost at its close', (t) => {
    for (const path of ['', '  ']) {
      assert.throws(() => openAt(t, path), {
        name: 'TypeError',
        message:
          /first argument of sqlite\(\) to be a path, ":memory:" or a Database(?:Sync)? of (?:better-sqlite3|node:sqlite)/,
      })
    }
  })
})

describe('anything else', () => {
  test('what is neither a path nor a Database is refused', (t) => {
    const raws = drivers
      .filter((driver) => driver !== driverOf(t))
      .map(({ openRaw: open }) => open(':memory:'))
    t.after(() => raws.forEach((raw) => raw.close()))
    const ofOthers = raws.map(({ database }) => database)
    using own = openAt(t, ':memory:')
    for (const given of [undefined, null, 42, {}, [], () => 'x.db', own, ...ofOthers]) {
      assert.throws(() => openAt(t, given as never), {
        name: 'TypeError',
        message: /first argument of sqlite\(\) to be a path/,
      })
      if (typeof given === 'function') continue
      assert.throws(() => resourcesOf(t, given as never), {
        name: 'TypeError',
        message: /first argument of sqliteResources\(\) to be a path/,
      })
    }
  })

  test('what a function made that was given to sqliteResources() is refused as that', async (t) => {
    await using app = createApp()
    for (const made of [undefined, Promise.resolve('x.db')]) {
      const { database } = resourcesOf(t, () => made as never)
      await assert.rejects(app.get(database), {
        name: 'TypeError',
        message: /Expected what the function given to sqliteResources\(\) made to be a path/,
      })
    }
  })

  test('a closed Database is named as one', (t) => {
    const raw = openRaw(t, temporaryPath(t, 'closed.db'))
    raw.close()
    assert.throws(
      () => openAt(t, raw.database),
      // A DatabaseSync that was closed has forgotten its file.
      withCode(
        'ERR_SQLITE_OPEN',
        /database(?: "[^"]*closed\.db")? that .* is closed\. Open it first/,
      ),
    )
  })

  test('a read-only Database reads, and what SQLite says about a write is passed on', (t) => {
    const path = temporaryPath(t)
    openAt(t, path)[Symbol.dispose]()
    const raw = openRaw(t, path, { readonly: true })
    using db = openAt(t, raw.database)
    assert.deepEqual(db.prepare('select 1 as one').get(), { one: 1 })
    assert.throws(() => db.exec('create table item (name text)'), withCode('SQLITE_READONLY'))
  })
})

describe('options', () => {
  const wrong: [object, RegExp][] = [
    [
      { reader: 1 },
      /Unknown option `reader` of sqlite\(\)\. Known: readers, defaults, busyTimeout/,
    ],
    [{ readers: -1 }, /option `readers` of sqlite\(\) to be a whole number from 0, received -1/],
    [{ readers: 1.5 }, /option `readers`.*received 1\.5/],
    [{ defaults: 'no' }, /option `defaults` of sqlite\(\) to be true or false, received 'no'/],
    [{ busyTimeout: '5s' }, /option `busyTimeout`.*milliseconds.*received '5s'/],
    [{ busyTimeout: Infinity }, /option `busyTimeout`.*received Infinity/],
    [{ slowWrite: NaN }, /option `slowWrite`.*received NaN/],
  ]
  for (const [options, message] of wrong) {
    test(`a wrong one is named: ${JSON.stringify(options)}`, (t) => {
      const path = temporaryPath(t)
      assert.throws(() => openAt(t, path, options), { name: 'TypeError', message })
      const ofResources = new RegExp(
        message.source.replace('sqlite\\(\\)', 'sqliteResources\\(\\)'),
      )
      assert.throws(() => resourcesOf(t, () => path, options), {
        name: 'TypeError',
        message: ofResources,
      })
    })
  }

  test('what is no object is refused', (t) => {
    assert.throws(() => openAt(t, ':memory:', 5 as never), {
      name: 'TypeError',
      message: /the options of sqlite\(\) to be a plain object, received 5/,
    })
  })

  test('those of write() are named, too', async (t) => {
    using db = openAt(t, ':memory:')
    await assert.rejects(db.write({ timeout: 1 } as never), {
      name: 'TypeError',
      message: /Unknown option `timeout` of write\(\)/,
    })
    await assert.rejects(db.write({ signal: 1 } as never), {
      name: 'TypeError',
      message: /option `signal` of write\(\) to be an AbortSignal, received 1/,
    })
  })

  test('undefined ones count as absent', (t) => {
    using _db = openAt(t, ':memory:', { readers: undefined, busyTimeout: undefined } as never)
  })

  test('a path gets WAL, NORMAL and foreign keys, unless the option says no', (t) => {
    const settings = (defaults: boolean): unknown[] => {
      using db = openAt(t, temporaryPath(t), { defaults })
      return ['journal_mode', 'foreign_keys'].map(
        (name) => Object.values(db.prepare(`pragma ${name}`).get())[0],
      )
    }
    assert.deepEqual(settings(true), ['wal', 1])
    assert.equal(settings(false)[0], 'delete')
  })

  test('a fraction of a millisecond is a whole one for the driver', (t) => {
    using db = openAt(t, temporaryPath(t), { busyTimeout: 0.5 })
    assert.deepEqual(db.prepare('pragma busy_timeout').get(), { timeout: 1 })
  })
})

function isRoot(): boolean {
  return process.getuid?.() === 0
}

test('what is no SQL text is refused by name, in the words of every other mistake', async (t) => {
  using db = openAt(t, ':memory:', { defaults: false })
  for (const wrong of [undefined, null, 5, ['select 1'], Symbol('sql')]) {
    const sql = wrong as never
    const refused = (call: 'prepare' | 'exec') => ({
      name: 'TypeError',
      message: new RegExp(`^Expected the SQL given to ${call}\\(\\) to be a string, received `),
    })
    await using tx = await db.write()
    assert.throws(() => tx.prepare(sql), refused('prepare'))
    assert.throws(() => tx.exec(sql), refused('exec'))
    assert.throws(() => db.prepare(sql), refused('prepare'))
    assert.throws(() => db.exec(sql), refused('exec'))
  }
})
