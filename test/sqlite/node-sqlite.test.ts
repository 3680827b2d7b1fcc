/** What is special about node:sqlite, and what of that is not to be noticed. */
import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import type * as NodeSqlite from 'node:sqlite'
import { sqlite } from 'unwind/node-sqlite'
import { insert, temporaryPath } from './support/database.ts'
import { drivers, type Owned } from './support/drivers.ts'
import { printed } from './support/printed.ts'
import { withCode } from './support/promises.ts'

/** Node.js 22.12 has none. */
const builtin = process.getBuiltinModule('node:sqlite') as typeof NodeSqlite | undefined
const options = { skip: builtin === undefined }

function openMemory(t: TestContext): { db: Owned; raw: NodeSqlite.DatabaseSync } {
  assert.ok(builtin)
  const raw = new builtin.DatabaseSync(':memory:')
  t.after(() => raw[Symbol.dispose]())
  raw.exec("create table item (name text); insert into item values ('a'), ('b'), ('c')")
  const db = sqlite(raw)
  t.after(() => db[Symbol.dispose]())
  return { db, raw }
}

describe('loading', options, () => {
  test('the driver is loaded at the first use of a database, and not by the import', () => {
    const script = `
      import { sqlite, sqliteResources } from 'unwind/node-sqlite'
      const isLoaded = () => process.moduleLoadList.includes('NativeModule sqlite')
      const seen = [isLoaded()]
      sqliteResources('shop.db')
      seen.push(isLoaded())
      sqlite(':memory:')[Symbol.dispose]()
      seen.push(isLoaded())
      console.log(JSON.stringify(seen))
    `
    assert.deepEqual(printed(script), [false, false, true])
  })

  test('a Node.js without node:sqlite is told from a file that cannot be opened', () => {
    const script = `
      import { sqlite } from 'unwind/node-sqlite'
      try {
        sqlite('shop.db')
      } catch ({ code, message }) {
        console.log(JSON.stringify({ code, message }))
      }
    `
    const { code, message } = printed(script, '--no-experimental-sqlite') as Record<string, string>
    assert.equal(code, 'ERR_SQLITE_OPEN')
    assert.match(
      message ?? '',
      /"shop\.db": this Node\.js, \d+\.\d+\.\d+, has no node:sqlite\. Use/,
    )
  })
})

describe('rows', options, () => {
  test('they are plain objects, as those of better-sqlite3 are', (t) => {
    const { db } = openMemory(t)
    for (const sql of ['select name, 1 as one from item', 'select *, 1 as one from item']) {
      const statement = db.prepare(sql)
      assert.deepEqual(statement.get(), { name: 'a', one: 1 })
      assert.deepEqual(statement.all()[2], { name: 'c', one: 1 })
      assert.deepEqual([...statement.iterate()][1], { name: 'b', one: 1 })
    }
    assert.deepEqual(db.prepare('select count(*) from item').get(), { 'count(*)': 3 })
    assert.deepEqual(db.prepare('select 1 as a, 2 as a').get(), { a: 2 })
  })

  test('a column that is called __proto__ is a property like any other', (t) => {
    const { db } = openMemory(t)
    const row = db.prepare<object>(`select x'01' as "__proto__"`).get() ?? {}
    assert.deepEqual(Object.keys(row), ['__proto__'])
    assert.equal(Object.getPrototypeOf(row), Object.prototype)
  })

  test('their names follow a table that somebody else altered', (t) => {
    const path = temporaryPath(t)
    using db = sqlite(path)
    db.exec('create table item (name text, price integer)')
    db.exec("insert into item values ('a', 1)")
    const all = db.prepare('select * from item')
    const named = db.prepare('select name from item')
    assert.deepEqual([all.get(), named.get()], [{ name: 'a', price: 1 }, { name: 'a' }])
    using other = sqlite(path)
    other.exec('alter table item rename column price to cents')
    assert.deepEqual(all.get(), { name: 'a', cents: 1 })
    assert.deepEqual([...all.iterate()], [{ name: 'a', cents: 1 }])
    assert.deepEqual(named.get(), { name: 'a' })
    other.exec('alter table item rename column name to title')
    assert.throws(() => named.get(), /no such column/)
  })
})

describe('iterators', options, () => {
  const select = 'select name from item order by rowid'

  test('one that came to its end does not start again', (t) => {
    const { db } = openMemory(t)
    const rows = db.prepare(select).iterate()
    assert.equal([...rows].length, 3)
    for (let n = 0; n < 3; n += 1) assert.deepEqual(rows.next(), { done: true, value: undefined })
  })

  test('another use of its statement neither starts it again nor breaks it', (t) => {
    const { db } = openMemory(t)
    const statement = db.prepare<{ name: string }>(select)
    const rows = statement.iterate()
    assert.equal(rows.next().value?.name, 'a')
    assert.equal(statement.all().length, 3)
    assert.equal(statement.get()?.name, 'a')
    assert.deepEqual([...rows], [{ name: 'b' }, { name: 'c' }])
  })
})

describe('inside a user function, where the driver would take the process with it', options, () => {
  /** What `act` throws when SQLite calls it. */
  function failureInside(
    raw: NodeSqlite.DatabaseSync,
    run: () => unknown,
    act: () => unknown,
  ): unknown {
    const failures: unknown[] = []
    raw.function('interfere', () => {
      try {
        act()
      } catch (error) {
        failures.push(error)
      }
      return 1
    })
    run()
    return failures[0]
  }

  const busy = withCode('ERR_SQLITE_MISUSE', /":memory:".*user function/)

  test('a statement cannot be used by what it calls, and goes on', (t) => {
    const { db, raw } = openMemory(t)
    const sql = 'select interfere() as x'
    raw.function('interfere', () => 1)
    const statement = db.prepare(sql)
    const failure = failureInside(
      raw,
      () => assert.deepEqual(db.prepare(sql).all(), [{ x: 1 }]),
      () => db.prepare(sql).get(),
    )
    assert.ok(busy(failure), String(failure))
    assert.deepEqual(statement.get(), { x: 1 })
  })

  test('nor can an iterator be opened over it', (t) => {
    const { db, raw } = openMemory(t)
    const sql = 'select name, interfere() as x from item'
    raw.function('interfere', () => 1)
    const statement = db.prepare(sql)
    let rows: unknown[] = []
    const failure = failureInside(
      raw,
      () => (rows = db.prepare(sql).all()),
      () => db.prepare(sql).iterate(),
    )
    assert.ok(busy(failure), String(failure))
    assert.deepEqual(rows, statement.all())
  })

  test('an iterator cannot be ended by what it calls, and goes on', (t) => {
    const { db, raw } = openMemory(t)
    let rows: (IterableIterator<unknown> & Disposable) | undefined
    const failure = failureInside(
      raw,
      () => {
        rows = db.prepare('select interfere() as x from item').iterate()
        assert.equal([...rows].length, 3)
      },
      () => rows?.[Symbol.dispose](),
    )
    assert.ok(busy(failure), String(failure))
  })

  test('nothing is written, and the transaction is not ended', (t) => {
    const { db, raw } = openMemory(t)
    for (const act of [
      (tx: { exec(sql: string): void }) => tx.exec("insert into item values ('d')"),
      (tx: Parameters<typeof insert>[0]) => insert(tx, 'd'),
      ...(['get', 'all'] as const).map(
        (read) => (tx: Parameters<typeof insert>[0]) =>
          tx.prepare("insert into item values ('d')")[read](),
      ),
      (tx: Parameters<typeof insert>[0]) =>
        tx.prepare("insert into item values ('d') returning name").iterate(),
      (tx: { commit(): void }) => tx.commit(),
    ]) {
      using tx = db.begin()
      const failure = failureInside(
        raw,
        () => tx.prepare('select interfere() as x').get(),
        () => act(tx),
      )
      assert.ok(busy(failure), String(failure))
      assert.equal(tx.state, 'open')
    }
    assert.equal(db.prepare('select name from item').all().length, 3)
  })

  test('another statement can read', (t) => {
    const { db, raw } = openMemory(t)
    const count = db.prepare<{ n: number }>('select count(*) as n from item')
    raw.function('counted', () => count.get()?.n ?? 0)
    assert.deepEqual(db.prepare('select counted() as n').get(), { n: 3 })
  })
})

for (const { name, sqlite: open } of drivers) {
  describe(`what a text may be (${name})`, () => {
    test('no statement, or a second one that would not run, is refused', () => {
      using db = open(':memory:')
      for (const sql of ['', ' ', '-- nothing', '/* nothing */;']) {
        assert.throws(() => db.prepare(sql), { name: 'RangeError', message: /no statements?/ })
      }
      for (const sql of ['select 1; select 2', 'select 1;; select 2 -- two']) {
        assert.throws(() => db.prepare(sql), {
          name: 'RangeError',
          message: /more than one statement/,
        })
      }
      for (const sql of [
        'select 1 as one;',
        '/* one */ select 1 as one ; -- done',
        'select 1 as one\n',
      ]) {
        assert.deepEqual(db.prepare(sql).get(), { one: 1 }, sql)
      }
    })

    test('what writes is known, whatever it looks like', async () => {
      using db = open(':memory:')
      db.exec('create table item (name text)')
      await using reader = await db.read()
      const writes = [
        "with new(name) as (values ('a')) insert into item select name from new",
        "/* a read? */ replace into item values ('a')",
        "-- a read?\n ; /**/ ; insert into item values ('a')",
        'create index by_name on item (name)',
        'vacuum',
        'analyze',
      ]
      for (const sql of writes) {
        assert.throws(() => reader.prepare(sql), withCode('ERR_SQLITE_MISUSE', /only reads/), sql)
      }
      // Looks like a setting of the connection, which this reader shares.
      assert.throws(() => reader.prepare('pragma user_version = 5'), withCode('ERR_SQLITE_MISUSE'))
      const reads = [
        'with all_items as (select name from item) select name from all_items',
        'explain select name from item',
        'pragma user_version',
        "select 'insert into item' as sql",
        'values (1)',
      ]
      for (const sql of reads) assert.ok(Array.isArray(reader.prepare(sql).all()), sql)
    })
  })
}

for (const option of ['returnArrays', 'readBigInts']) {
  test(
    `a DatabaseSync with the option ${option} is a database as any other`,
    options,
    async (t) => {
      assert.ok(builtin)
      const raw = new builtin.DatabaseSync(temporaryPath(t), { [option]: true })
      t.after(() => raw.close())
      raw.exec("create table item (name text); insert into item values ('a')")
      using db = sqlite(raw, { readers: 1 })
      assert.deepEqual(db.prepare('select * from item').all(), [{ name: 'a' }])
      const tx = await db.write()
      assert.throws(() => insert(db, 'b'), withCode('ERR_SQLITE_BUSY'))
      insert(tx, 'c')
      assert.deepEqual(db.prepare('select name from item').get(), { name: 'a' })
      await using reader = await db.read()
      assert.deepEqual(reader.prepare('select name from item').get(), { name: 'a' })
      assert.deepEqual(reader.prepare('select * from item').all(), [{ name: 'a' }])
      tx.commit()
    },
  )
}
