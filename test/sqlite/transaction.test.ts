/** `transaction()`: a synchronous body between begin and commit. */
import assert from 'node:assert/strict'
import { deferredForeignKey, insert, openFile } from './support/database.ts'
import { test } from './support/drivers.ts'
import { quiet, withCode } from './support/promises.ts'

test('it commits and returns what the body returns', (t) => {
  const { db, committed } = openFile(t)
  const result = db.transaction((tx) => {
    insert(tx, 'a')
    return 42
  })
  assert.equal(result, 42)
  assert.deepEqual(committed(), ['a'])
})

test('a body that throws rolls back and throws that very error', (t) => {
  const { db, committed } = openFile(t)
  const boom = new Error('boom')
  const act = (): void =>
    db.transaction((tx) => {
      insert(tx, 'a')
      throw boom
    })
  assert.throws(act, (error) => error === boom)
  assert.deepEqual(committed(), [])
  insert(db, 'b')
})

test('an async function is refused before it is called', (t) => {
  const { db } = openFile(t)
  const calls: string[] = []
  const bodies: unknown[] = [
    async () => void calls.push('async'),
    async function* () {
      calls.push('async generator')
      yield 1
    },
    function* () {
      calls.push('generator')
      yield 1
    },
  ]
  for (const body of bodies) {
    assert.throws(() => db.transaction(body as () => number), {
      name: 'TypeError',
      message: /function, and was not called.*db\.write\(\)/s,
    })
  }
  assert.deepEqual(calls, [])
  using tx = db.begin()
  tx.commit()
})

test('a body that returns a promise is rolled back, and its later failure is no unhandled rejection', async (t) => {
  const { db, committed } = openFile(t)
  const act = (): unknown =>
    db.transaction((tx) => {
      insert(tx, 'a')
      return Promise.resolve().then(() => tx.commit()) as unknown as number
    })
  assert.throws(act, { name: 'TypeError', message: /returned a promise/ })
  await quiet()
  assert.deepEqual(committed(), [])
})

test('a commit that fails is thrown and rolled back', (t) => {
  const { db } = openFile(t)
  deferredForeignKey(db)
  assert.throws(
    () => db.transaction((tx) => tx.exec('insert into child values (7)')),
    withCode('SQLITE_CONSTRAINT_FOREIGNKEY'),
  )
  assert.deepEqual(db.prepare('select * from child').all(), [])
})

test('a body that ends it by itself is believed', (t) => {
  const { db, committed } = openFile(t)
  db.transaction((tx) => {
    insert(tx, 'a')
    tx.commit()
  })
  db.transaction((tx) => {
    insert(tx, 'b')
    tx.rollback()
  })
  assert.deepEqual(committed(), ['a'])
})

test('statements of the database run in it, because nobody else can run meanwhile', (t) => {
  const { db, committed } = openFile(t)
  const add = db.prepare('insert into item values (?)')
  const act = (): void =>
    db.transaction(() => {
      add.run('a')
      db.exec("insert into item values ('b')")
      throw new Error('boom')
    })
  assert.throws(act, /boom/)
  assert.deepEqual(committed(), [])
  db.transaction(() => add.run('c').changes)
  assert.deepEqual(committed(), ['c'])
})

test('where SQLite rolls back by itself, a swallowed error does not become a success', (t) => {
  const { db, committed } = openFile(t)
  db.exec('create unique index one on item (name)')
  const add = db.prepare('insert or rollback into item values (?)')
  const act = (): void =>
    db.transaction(() => {
      add.run('a')
      assert.throws(() => add.run('a'), /UNIQUE/)
      assert.throws(() => add.run('b'), withCode('ERR_DISPOSED', /rolled back by SQLite/))
    })
  assert.throws(act, withCode('ERR_DISPOSED', /rolled back by SQLite/))
  assert.deepEqual(committed(), [])
})

test('what is no function is refused', (t) => {
  const { db } = openFile(t)
  assert.throws(() => db.transaction('begin' as never), {
    name: 'TypeError',
    message: /the body given to transaction\(\) to be a function, received 'begin'/,
  })
})
