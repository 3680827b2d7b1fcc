/** What happens when a transaction of `begin()` is still open at an await. */
import assert from 'node:assert/strict'
import { insert, openFile } from './support/database.ts'
import { test } from './support/drivers.ts'
import { nextWarning, quiet, withCode, within } from './support/promises.ts'

test('it is rolled back at the end of its tick, and the commit says why', async (t) => {
  const { db, committed } = openFile(t)
  const warning = nextWarning()
  const crossing = async (): Promise<void> => {
    using tx = db.begin()
    insert(tx, 'a')
    await Promise.resolve()
    tx.commit()
  }
  await assert.rejects(crossing(), withCode('ERR_SQLITE_AWAIT', /test\.db.*db\.write\(\)/s))
  assert.deepEqual(committed(), [])
  assert.equal((await warning).code, 'UNWIND_BEGIN_ACROSS_AWAIT')
})

test('every later use says so', async (t) => {
  const { db } = openFile(t)
  const tx = db.begin()
  const statement = tx.prepare('select 1')
  const savepoint = tx.savepoint()
  await Promise.resolve()
  assert.equal(tx.state, 'rolled back')
  assert.equal(savepoint.state, 'rolled back')
  const crossed = withCode('ERR_SQLITE_AWAIT')
  assert.throws(() => statement.get(), crossed)
  assert.throws(() => savepoint.commit(), crossed)
  assert.throws(() => tx.prepare('select 1'), crossed)
  savepoint[Symbol.dispose]()
  tx[Symbol.dispose]()
})

test('where nobody used it again, dispose says so, once', async (t) => {
  const { db } = openFile(t)
  const tx = db.begin()
  await Promise.resolve()
  assert.throws(() => tx[Symbol.dispose](), withCode('ERR_SQLITE_AWAIT'))
  tx[Symbol.dispose]()
})

test('one that nobody ever touches again is rolled back with a process warning', async (t) => {
  const { db, committed } = openFile(t)
  const warning = nextWarning()
  insert(db.begin(), 'a')
  assert.match((await warning).message, /still open at the end of its tick/)
  insert(db, 'b')
  assert.deepEqual(committed(), ['b'])
})

test('nobody joins it in between: not in the same tick, not in a microtask before the guard', async (t) => {
  const { db, committed } = openFile(t)
  const outcomes: unknown[] = []
  const earlier = Promise.resolve().then(() => {
    void begun()
  })
  const stray = (): void => {
    try {
      insert(db, 'stray')
      outcomes.push('joined')
    } catch (error) {
      outcomes.push((error as { code: string }).code)
    }
  }
  // Queued before the guard can be: it runs while the transaction is still open.
  const between = Promise.resolve().then(stray)
  const begun = async (): Promise<void> => {
    const tx = db.begin()
    insert(tx, 'a')
    stray()
    await quiet()
    assert.throws(() => tx.commit(), withCode('ERR_SQLITE_AWAIT'))
  }
  await Promise.all([earlier, between])
  await quiet()
  assert.deepEqual(outcomes, ['ERR_SQLITE_BUSY', 'ERR_SQLITE_BUSY'])
  assert.deepEqual(committed(), [])
  stray()
  assert.deepEqual(committed(), ['stray'])
})

test('a writer that waits gets its turn when the guard has rolled back', async (t) => {
  const { db, committed } = openFile(t)
  const tx = db.begin()
  insert(tx, 'a')
  const writing = db.write()
  await using next = await within(writing)
  insert(next, 'b')
  next.commit()
  assert.throws(() => tx.commit(), withCode('ERR_SQLITE_AWAIT'))
  assert.deepEqual(committed(), ['b'])
})

test('transactions that end in their tick are left alone, however many there are', async (t) => {
  const { db, committed } = openFile(t)
  const expected = Array.from({ length: 50 }, (_, n) => String(n))
  const one = async (name: string): Promise<void> => {
    await Promise.resolve()
    using tx = db.begin()
    insert(tx, name)
    tx.commit()
  }
  await Promise.all(expected.map(one))
  assert.deepEqual(committed(), expected)
})
