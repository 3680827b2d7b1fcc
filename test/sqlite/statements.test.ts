/** Statements: prepared once, dead with whoever prepared them. */
import assert from 'node:assert/strict'
import type { SqliteStatement } from 'unwind/better-sqlite3'
import {
  deferredForeignKey,
  insert,
  names,
  openAt,
  openFile,
  openMemory,
  openRaw,
  temporaryPath,
} from './support/database.ts'
import { test } from './support/drivers.ts'
import { withCode } from './support/promises.ts'

test('get gives the first row or undefined, all gives every row, run says what changed', (t) => {
  const { db } = openFile(t)
  const add = db.prepare('insert into item values (?)')
  assert.deepEqual({ ...add.run('a') }, { changes: 1, lastInsertRowid: 1 })
  assert.deepEqual({ ...add.run('b') }, { changes: 1, lastInsertRowid: 2 })
  const byName = db.prepare<{ name: string }>('select name from item where name = ?')
  assert.deepEqual(byName.get('b'), { name: 'b' })
  assert.equal(byName.get('x'), undefined)
  assert.deepEqual(db.prepare('select name from item').all(), [{ name: 'a' }, { name: 'b' }])
})

test('run of what changes no rows tells of none, whatever ran before', (t) => {
  const { db } = openMemory(t)
  for (const [sql, changes] of [
    ["insert into item values ('a'), ('b'), ('c')", 3],
    ['select * from item', 0],
    ['with a as (select 1) select * from a', 0],
    ["with a as (select 'd') insert into item select * from a", 1],
    ['create table other as select * from item', 0],
    ['/* all */ update item set name = name -- all', 4],
    ['pragma user_version = 3', 0],
    ["select replace(name, 'a', 'b') from item", 0],
    ["replace into item values ('e') returning name", 1],
    ['drop table other', 0],
  ] as const) {
    assert.equal(db.prepare(sql).run().changes, changes, sql)
  }
})

test('parameters are bound by position and by name', (t) => {
  const { db } = openFile(t)
  const row = db.prepare('select ? as a, ? as b').get(1, 'two')
  assert.deepEqual(row, { a: 1, b: 'two' })
  assert.deepEqual(db.prepare('select $a as a').get({ a: 3 }), { a: 3 })
})

test('a row can be written and read in one statement', (t) => {
  const { db, committed } = openFile(t)
  const add = db.prepare<{ name: string }>('insert into item values (?) returning name')
  assert.deepEqual(add.get('a'), { name: 'a' })
  assert.deepEqual(add.all('b'), [{ name: 'b' }])
  assert.deepEqual(committed(), ['a', 'b'])
})

for (const [how, first] of Object.entries({
  get: (statement) => statement.get(1),
  'a loop that is left': (statement) => {
    for (const row of statement.iterate(1)) return row
    return undefined
  },
  'an iterator that is abandoned': (statement) => statement.iterate(1).next(),
} satisfies Record<string, (statement: SqliteStatement<unknown>) => unknown>)) {
  test(`a row that is undone at the end of the statement which wrote it is not given: ${how}`, (t) => {
    const { db } = openFile(t)
    deferredForeignKey(db)
    const add = db.prepare('insert into child values (?) returning parent')
    assert.throws(() => first(add), withCode('SQLITE_CONSTRAINT_FOREIGNKEY'))
    assert.equal(db.prepare('select * from child').get(), undefined)
    db.exec('insert into parent values (1)')
    assert.ok(first(add))
    assert.deepEqual(db.prepare('select * from child').all(), [{ parent: 1 }])
  })
}

test('the driver prepares an SQL text once for each connection', (t) => {
  const raw = openRaw(t, temporaryPath(t))
  using db = openAt(t, raw.database)
  const prepare = t.mock.method(raw.database, 'prepare')
  const sql = 'select 1 as one'
  for (let round = 0; round < 3; round += 1) db.prepare(sql).get()
  db.transaction((tx) => tx.prepare(sql).get())
  assert.equal(prepare.mock.calls.filter(({ arguments: [text] }) => text === sql).length, 1)
})

test('a program that writes its parameters into the text does not fill the memory', (t) => {
  const { db, raw } = openMemory(t)
  const prepare = t.mock.method(raw.database, 'prepare')
  const first = db.prepare('select 0 as n')
  for (let n = 1; n < 2_000; n += 1) assert.deepEqual(db.prepare(`select ${n} as n`).get(), { n })
  const before = prepare.mock.callCount()
  assert.deepEqual(first.get(), { n: 0 })
  assert.equal(prepare.mock.callCount(), before + 1)
})

test('a mistake in the SQL is said when the statement is prepared, as the driver says it', (t) => {
  const { db } = openFile(t)
  assert.throws(() => db.prepare('selekt 1'), withCode('SQLITE_ERROR', /near "selekt"/))
  assert.throws(() => db.exec('selekt 1'), withCode('SQLITE_ERROR', /near "selekt"/))
})

test('a failed statement throws the error of the driver unchanged, and the next one works', (t) => {
  const { db, committed } = openFile(t)
  db.exec('create table one (id integer primary key)')
  const add = db.prepare('insert into one values (1)')
  add.run()
  assert.throws(() => add.run(), withCode('SQLITE_CONSTRAINT_PRIMARYKEY', /UNIQUE/))
  insert(db, 'a')
  assert.deepEqual(committed(), ['a'])
})

test('exec runs a script', (t) => {
  const { db } = openFile(t)
  db.exec(`
    begin;
    insert into item values ('a');
    insert into item values ('b');
    commit;
  `)
  assert.deepEqual(names(db), ['a', 'b'])
})

test('a script that leaves a transaction open is rolled back and says so', (t) => {
  const { db } = openFile(t)
  assert.throws(
    () => db.exec("begin; insert into item values ('a')"),
    withCode('ERR_SQLITE_MISUSE', /left a transaction open .*test\.db/),
  )
  assert.deepEqual(names(db), [])
  insert(db, 'b')
  assert.deepEqual(names(db), ['b'])
})

test('a script that fails in the middle of its transaction leaves none open', (t) => {
  const { db } = openFile(t)
  assert.throws(
    () => db.exec("begin; insert into item values ('a'); insert into nowhere values (1); commit"),
    withCode('SQLITE_ERROR', /no such table: nowhere/),
  )
  using tx = db.begin()
  assert.deepEqual(names(tx), [])
})

for (const sql of ['BEGIN', ' commit', '-- now\nrollback', '/* a */ /* b */ savepoint a', 'end']) {
  test(`a statement cannot begin or end a transaction: ${JSON.stringify(sql)}`, (t) => {
    const { db } = openFile(t)
    assert.throws(() => db.prepare(sql), withCode('ERR_SQLITE_MISUSE', /begin\(\), write\(\)/))
    using tx = db.begin()
    assert.throws(() => tx.prepare(sql), withCode('ERR_SQLITE_MISUSE'))
    assert.throws(() => tx.exec(sql), withCode('ERR_SQLITE_MISUSE'))
    assert.equal(tx.state, 'open')
  })
}

test('a comment that does not end is looked through in no time', (t) => {
  const { db } = openFile(t)
  assert.throws(() => db.prepare(`${'/**/'.repeat(50_000)}select`), /incomplete input/)
})

test('a statement of the database is dead after its dispose', (t) => {
  const { db } = openFile(t)
  const statement = db.prepare('select 1')
  db[Symbol.dispose]()
  for (const use of ['get', 'all', 'run', 'iterate'] as const) {
    assert.throws(() => statement[use](), withCode('ERR_DISPOSED', /database "[^"]*test\.db"/))
  }
})

test('a statement of a transaction is dead after its end, although the connection lives on', (t) => {
  const { db, committed } = openFile(t)
  const tx = db.begin()
  const add = tx.prepare('insert into item values (?)')
  tx.commit()
  assert.throws(() => add.run('late'), withCode('ERR_DISPOSED', /transaction on "[^"]*test\.db"/))
  assert.deepEqual(committed(), [])
})

test('the same statement can be used while an iterator over it is open', (t) => {
  const { db } = openFile(t)
  insert(db, 'a', 'b')
  const all = db.prepare<{ name: string }>('select name from item order by rowid')
  const pairs: string[] = []
  for (const outer of all.iterate()) {
    for (const inner of all.iterate()) pairs.push(outer.name + inner.name)
    assert.deepEqual(all.get(), { name: 'a' })
  }
  assert.deepEqual(pairs, ['aa', 'ab', 'ba', 'bb'])
})

test('a value of some megabytes may stand in the text', (t) => {
  const { db } = openMemory(t)
  const text = `insert into item values ('commit; ${'x'.repeat(16_000_000)}')`
  db.exec(text)
  assert.equal(db.prepare(text).run().changes, 1)
})
