/** Iterators: closed with their owner, never in the way of a writer, and never ended early without an error. */
import assert from 'node:assert/strict'
import { insert, names, openAt, openFile, openMemory, type Opened } from './support/database.ts'
import { test } from './support/drivers.ts'
import { withCode } from './support/promises.ts'

const select = 'select name from item order by rowid'

function filled(...given: Parameters<typeof openFile>): Opened {
  const opened = openFile(...given)
  insert(opened.db, 'a', 'b', 'c')
  return opened
}

test('an iterator gives every row and then ends', (t) => {
  const { db } = filled(t)
  assert.deepEqual([...db.prepare(select).iterate()], [{ name: 'a' }, { name: 'b' }, { name: 'c' }])
})

test('a loop that is left early closes its iterator', (t) => {
  const { db, committed } = filled(t)
  for (const row of db.prepare<{ name: string }>(select).iterate()) {
    if (row.name === 'b') break
  }
  insert(db, 'd')
  assert.deepEqual(committed(), ['a', 'b', 'c', 'd'])
})

test('a loop whose body throws closes its iterator', (t) => {
  const { db } = filled(t)
  assert.throws(() => {
    for (const _row of db.prepare(select).iterate()) throw new Error('boom')
  }, /boom/)
  insert(db, 'd')
})

test('leaving the block disposes an iterator; after that it has no more rows', (t) => {
  const { db } = filled(t)
  const outside: { rows?: IterableIterator<unknown> } = {}
  {
    using rows = db.prepare(select).iterate()
    outside.rows = rows
    rows.next()
  }
  assert.deepEqual(outside.rows?.next(), { done: true, value: undefined })
})

test('disposing an iterator twice is the same as once', (t) => {
  const { db } = filled(t)
  const rows = db.prepare(select).iterate()
  rows[Symbol.dispose]()
  rows[Symbol.dispose]()
  assert.deepEqual(rows.return?.(), { done: true, value: undefined })
})

const writers: [string, (opened: Opened) => void | Promise<void>][] = [
  ['a statement', ({ db }) => insert(db, 'd')],
  ['a script', ({ db }) => db.exec("insert into item values ('d')")],
  [
    'begin()',
    ({ db }) => {
      using tx = db.begin()
      insert(tx, 'd')
      tx.commit()
    },
  ],
  ['transaction()', ({ db }) => db.transaction((tx) => insert(tx, 'd'))],
  [
    'write()',
    async ({ db }) => {
      await using tx = await db.write()
      insert(tx, 'd')
      tx.commit()
    },
  ],
]

for (const [name, write] of writers) {
  for (const busyTimeout of [0, 50]) {
    test(`an abandoned iterator never blocks ${name} (busyTimeout: ${busyTimeout})`, async (t) => {
      const opened = filled(t, { busyTimeout })
      opened.db.prepare(select).iterate().next()
      await write(opened)
      assert.deepEqual(opened.committed(), ['a', 'b', 'c', 'd'])
    })
  }
}

for (const method of ['get', 'all', 'iterate'] as const) {
  test(`an abandoned iterator does not block what writes with ${method}(), after somebody else wrote`, async (t) => {
    const { db, path, committed } = filled(t)
    await using second = openAt(t, path)
    const rows = db.prepare(select).iterate()
    rows.next()
    insert(second, 'd')
    const given = db.prepare("insert into item values ('e') returning name")[method]()
    if (given !== undefined && 'next' in given) given.next()
    assert.throws(() => rows.next(), withCode('ERR_DISPOSED', /something was written/))
    db.exec('select 1')
    assert.deepEqual(committed(), ['a', 'b', 'c', 'd', 'e'])
  })
}

test('an abandoned iterator does not block another database over the same connection', async (t) => {
  const { db, raw } = openMemory(t)
  insert(db, 'a', 'b', 'c')
  const second = openAt(t, raw.database)
  const [mine, theirs] = [db.prepare(select).iterate(), second.prepare(select).iterate()]
  await second[Symbol.asyncDispose]()
  assert.throws(() => theirs.next(), withCode('ERR_DISPOSED', /its database was disposed/))
  assert.deepEqual(mine.next(), { done: false, value: { name: 'a' } })
  using third = openAt(t, raw.database)
  insert(third, 'd')
  assert.throws(() => mine.next(), withCode('ERR_DISPOSED', /something was written/))
  assert.deepEqual(names(db), ['a', 'b', 'c', 'd'])
})

test('an abandoned iterator of a transaction blocks neither its writes nor its commit', (t) => {
  const { db, committed } = filled(t)
  using tx = db.begin()
  tx.prepare(select).iterate().next()
  insert(tx, 'd')
  tx.prepare(select).iterate().next()
  tx.commit()
  assert.deepEqual(committed(), ['a', 'b', 'c', 'd'])
})

test('an abandoned iterator does not block a savepoint, its end or a rollback', (t) => {
  const { db } = filled(t)
  using tx = db.begin()
  tx.prepare(select).iterate().next()
  using savepoint = tx.savepoint()
  savepoint.prepare(select).iterate().next()
  savepoint.rollback()
  tx.prepare(select).iterate().next()
  tx.rollback()
  assert.deepEqual(names(db), ['a', 'b', 'c'])
})

test('an iterator that a write closed throws at the next row instead of losing the rest', (t) => {
  const { db } = filled(t)
  const rows = db.prepare(select).iterate()
  rows.next()
  insert(db, 'd')
  assert.throws(
    () => rows.next(),
    withCode(
      'ERR_DISPOSED',
      /"select name from item order by rowid" .*test\.db.* something was written/,
    ),
  )
})

test('an iterator of a transaction throws after its end', (t) => {
  const { db } = filled(t)
  const tx = db.begin()
  const rows = tx.prepare(select).iterate()
  rows.next()
  tx[Symbol.dispose]()
  assert.throws(() => rows.next(), withCode('ERR_DISPOSED', /its transaction ended/))
})

test('an iterator that came to its end is at its end whatever follows', (t) => {
  const { db } = filled(t)
  const rows = db.prepare(select).iterate()
  assert.equal([...rows].length, 3)
  db[Symbol.dispose]()
  assert.deepEqual(rows.next(), { done: true, value: undefined })
})

for (const readers of [0, 1]) {
  test(`an iterator of a reader is closed with it, others are not (${readers} readers)`, async (t) => {
    const { db } = filled(t, { readers })
    const reader = await db.read()
    const ours = reader.prepare(select).iterate()
    const others = db.prepare<{ name: string }>(select).iterate()
    ours.next()
    others.next()
    await reader[Symbol.asyncDispose]()
    assert.throws(() => ours.next(), withCode('ERR_DISPOSED', /its reader was released/))
    assert.deepEqual(others.next().value, { name: 'b' })
  })
}

test('an abandoned iterator of a reader does not block the writer', async (t) => {
  const { db, committed } = filled(t, { readers: 1 })
  await using reader = await db.read()
  const rows = reader.prepare(select).iterate()
  rows.next()
  insert(db, 'd')
  assert.equal([...rows].length, 2, 'the reader goes on with what it saw')
  assert.deepEqual(committed(), ['a', 'b', 'c', 'd'])
})

test('an iterator of the database is closed with it', (t) => {
  const { db } = filled(t)
  const rows = db.prepare(select).iterate()
  rows.next()
  db[Symbol.dispose]()
  assert.throws(() => rows.next(), withCode('ERR_DISPOSED', /its database was disposed/))
})

test('an iterator whose row cannot be computed gives the error and blocks nobody', (t) => {
  const { db, raw } = openMemory(t)
  raw.function('fails', () => {
    throw new RangeError('no such row')
  })
  const rows = db.prepare('select fails() as x').iterate()
  assert.throws(() => rows.next(), /no such row/)
  insert(db, 'a')
  assert.deepEqual(rows.next(), { done: true, value: undefined })
})

test('wrong parameters of an iterator are said at once and leave the statement usable', (t) => {
  const { db } = filled(t)
  const statement = db.prepare('select name from item where name = ?')
  assert.throws(() => statement.iterate('a', 'b'), /Too many parameter|column index out of range/)
  assert.deepEqual([...statement.iterate('b')], [{ name: 'b' }])
})
