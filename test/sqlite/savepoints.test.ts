/** Savepoints: transactions in transactions, which end in the order of their nesting. */
import assert from 'node:assert/strict'
import { insert, names, openFile } from './support/database.ts'
import { test } from './support/drivers.ts'
import { withCode } from './support/promises.ts'

test('a savepoint that commits is kept with its transaction', (t) => {
  const { db, committed } = openFile(t)
  using tx = db.begin()
  insert(tx, 'a')
  {
    using savepoint = tx.savepoint()
    insert(savepoint, 'b')
    savepoint.commit()
    assert.equal(savepoint.state, 'committed')
  }
  tx.commit()
  assert.deepEqual(committed(), ['a', 'b'])
})

test('a savepoint that is left without commit undoes its own part only', (t) => {
  const { db, committed } = openFile(t)
  using tx = db.begin()
  insert(tx, 'a')
  {
    using savepoint = tx.savepoint()
    insert(savepoint, 'b')
  }
  insert(tx, 'c')
  tx.commit()
  assert.deepEqual(committed(), ['a', 'c'])
})

test('a committed savepoint goes with its transaction when that is rolled back', (t) => {
  const { db, committed } = openFile(t)
  const tx = db.begin()
  const savepoint = tx.savepoint()
  insert(savepoint, 'a')
  savepoint.commit()
  tx.rollback()
  assert.deepEqual(committed(), [])
})

test('savepoints nest, and one follows another', (t) => {
  const { db, committed } = openFile(t)
  using tx = db.begin()
  {
    using outer = tx.savepoint()
    insert(outer, 'outer')
    {
      using inner = outer.savepoint()
      insert(inner, 'inner')
      using innermost = inner.savepoint()
      insert(innermost, 'innermost')
      innermost.commit()
    }
    outer.commit()
  }
  {
    using next = tx.savepoint()
    insert(next, 'next')
    next.commit()
  }
  tx.commit()
  assert.deepEqual(committed(), ['outer', 'next'])
})

test('a second savepoint beside an open one is refused, because they would interleave', async (t) => {
  const { db } = openFile(t)
  await using tx = await db.write()
  using savepoint = tx.savepoint()
  assert.throws(
    () => tx.savepoint(),
    withCode('ERR_SQLITE_MISUSE', /savepoint\(\): .*test\.db.*order of their nesting/),
  )
  assert.equal(savepoint.state, 'open')
})

test('a commit while an inner savepoint is open is refused and can be repeated', (t) => {
  const { db, committed } = openFile(t)
  using tx = db.begin()
  const outer = tx.savepoint()
  const inner = outer.savepoint()
  insert(inner, 'a')
  const refused = withCode('ERR_SQLITE_MISUSE', /commit\(\): .*inner one first/)
  assert.throws(() => outer.commit(), refused)
  assert.throws(() => tx.commit(), refused)
  assert.deepEqual([tx.state, outer.state, inner.state], ['open', 'open', 'open'])
  inner.commit()
  outer.commit()
  tx.commit()
  assert.deepEqual(committed(), ['a'])
})

test('rolling back an outer savepoint first ends the inner one with it', (t) => {
  const { db, committed } = openFile(t)
  using tx = db.begin()
  insert(tx, 'a')
  const outer = tx.savepoint()
  insert(outer, 'b')
  const inner = outer.savepoint()
  insert(inner, 'c')
  outer[Symbol.dispose]()
  assert.deepEqual([outer.state, inner.state], ['rolled back', 'rolled back'])
  assert.throws(() => insert(inner, 'd'), withCode('ERR_DISPOSED', /savepoint on/))
  inner[Symbol.dispose]()
  outer[Symbol.dispose]()
  assert.deepEqual(names(tx), ['a'])
  tx.commit()
  assert.deepEqual(committed(), ['a'])
})

test('disposing a transaction first ends its savepoints with it', (t) => {
  const { db, committed } = openFile(t)
  const tx = db.begin()
  const outer = tx.savepoint()
  const inner = outer.savepoint()
  insert(inner, 'a')
  tx[Symbol.dispose]()
  assert.deepEqual([tx.state, outer.state, inner.state], Array(3).fill('rolled back'))
  inner[Symbol.dispose]()
  outer[Symbol.dispose]()
  assert.deepEqual(committed(), [])
  insert(db, 'b')
  assert.deepEqual(committed(), ['b'])
})

test('after its end a savepoint says so at every use', (t) => {
  const { db } = openFile(t)
  using tx = db.begin()
  const savepoint = tx.savepoint()
  savepoint.commit()
  const gone = withCode('ERR_DISPOSED', /savepoint on "[^"]*test\.db"/)
  assert.throws(() => savepoint.commit(), gone)
  assert.throws(() => savepoint.rollback(), gone)
  assert.throws(() => savepoint.prepare('select 1'), gone)
  assert.throws(() => savepoint.savepoint(), gone)
  tx.commit()
})

test('where SQLite rolls back by itself, transaction and savepoints are over together', (t) => {
  const { db } = openFile(t)
  db.exec("create unique index one on item (name); insert into item values ('a')")
  using tx = db.begin()
  using outer = tx.savepoint()
  using inner = outer.savepoint()
  assert.throws(() => inner.exec("insert or rollback into item values ('a')"), /UNIQUE/)
  assert.deepEqual([tx.state, outer.state, inner.state], Array(3).fill('rolled back'))
  for (const over of [tx, outer, inner]) {
    assert.throws(() => over.commit(), withCode('ERR_DISPOSED', /rolled back by SQLite/))
  }
})
