/** Which statements a cursor can read, which run beside it, and what it costs and ends with. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pgPool } from 'unwind/pg'

import { newPool, newTable } from './support/database.ts'
import { cursorsOf, million, take } from './support/cursors.ts'
import { Wire } from './support/proxy.ts'

const disposed = { code: 'ERR_DISPOSED' }

test('ten million rows are read with the memory of one batch, and left early at once', async () => {
  await using pool = pgPool(() => newPool(), { grace: 60_000 })
  await using lease = await pool.acquire()
  // In the list of columns the server makes the rows one by one.
  const text = "select generate_series(1, 10000000) as n, repeat('x', 500) as filler"
  let highest = 0
  let seen = 0
  {
    await using cursor = lease.cursor(text, [], { batch: 1_000 })
    const before = process.memoryUsage().rss
    for await (const _ of cursor) {
      seen += 1
      if (seen % 5_000 === 0) highest = Math.max(highest, process.memoryUsage().rss - before)
      if (seen === 60_000) break
    }
  }
  assert.equal(seen, 60_000)
  assert.ok(highest < 200_000_000, `${highest} bytes more for what would take 6 GB`)
  assert.deepEqual((await lease.query('select 1 as n')).rows, [{ n: 1 }])
})

test('in a transaction, other statements and other cursors run between the reads', async () => {
  await using table = await newTable()
  await using pool = pgPool(() => newPool(), { grace: 60_000 })
  await using lease = await pool.acquire()
  await using tx = await lease.begin()
  await using other = tx.cursor('select n from generate_series(101, 103) as n', [], { batch: 1 })
  const others = other[Symbol.asyncIterator]()
  for await (const { n } of tx.cursor('select n from generate_series(1, 3) as n', [], {
    batch: 1,
  })) {
    await tx.query(`insert into ${table.name} values ($1)`, [n])
    await lease.query(`insert into ${table.name} values ($1)`, [(await others.next()).value.n])
  }
  await tx.commit()
  assert.deepEqual(await table.values(), [1, 2, 3, 101, 102, 103])
})

test('outside of a transaction, a cursor has the connection to itself: what else is asked is refused, not kept waiting', async () => {
  await using pool = pgPool(() => newPool(), { grace: 60_000 })
  await using lease = await pool.acquire()
  const open = { name: 'PgCursorOpenError', code: 'ERR_PG_CURSOR_OPEN', message: /cursor/ }
  const cursor = lease.cursor('select generate_series(1, 10)')
  await lease.query('select 1')
  await cursor.read(1)
  await assert.rejects(lease.query('select 1'), open)
  await assert.rejects(lease.begin(), open)
  const second = lease.cursor('select 2 as n')
  await assert.rejects(second.read(1), open)
  assert.equal((await cursor.read(2)).length, 2, 'the cursor is none the worse for it')
  await cursor[Symbol.asyncDispose]()
  assert.deepEqual(await second.read(5), [{ n: 2 }])
  assert.deepEqual((await lease.query('select 1 as n')).rows, [{ n: 1 }])
})

test('statements that were asked for before a cursor run before it, a BEGIN by hand included', async () => {
  await using pool = pgPool(() => newPool(), { grace: 60_000 })
  await using lease = await pool.acquire()
  const before = [lease.query('select pg_sleep(0.05)'), lease.query('begin')]
  const cursor = lease.cursor('select pg_current_xact_id()::text as id')
  const rows = await cursor.read(5)
  await Promise.all(before)
  const { rows: now } = await lease.query('select pg_current_xact_id()::text as id')
  assert.deepEqual(rows, now, 'in the transaction that was begun by hand, which goes on')
})

test('a cursor is over with its transaction, whichever way that ends', async () => {
  await using pool = pgPool(() => newPool(), { grace: 60_000 })
  await using lease = await pool.acquire()
  for (const end of ['commit', 'rollback'] as const) {
    const tx = await lease.begin()
    const cursor = tx.cursor(million)
    const unstarted = tx.cursor(million)
    await cursor.read(1)
    await tx[end]()
    await assert.rejects(cursor.read(1), disposed)
    await assert.rejects(unstarted.read(1), disposed)
    assert.throws(() => tx.cursor('select 1'), disposed)
    await cursor[Symbol.asyncDispose]()
    await unstarted[Symbol.asyncDispose]()
    assert.equal(await cursorsOf(lease), 0)
  }
})

test('a savepoint takes with it what was opened since: on rollback all, on commit its own', async () => {
  await using pool = pgPool(() => newPool(), { grace: 60_000 })
  await using lease = await pool.acquire()
  await using tx = await lease.begin()
  await using older = tx.cursor(million)
  await older.read(1)
  for (const end of ['commit', 'rollback'] as const) {
    const savepoint = await tx.savepoint()
    const inner = savepoint.cursor(million)
    const outer = tx.cursor('select n from generate_series(1, 3) as n')
    await inner.read(1)
    await outer.read(1)
    await savepoint[end]()
    await assert.rejects(inner.read(1), disposed)
    if (end === 'commit') assert.deepEqual(await outer.read(9), [{ n: 2 }, { n: 3 }])
    else await assert.rejects(outer.read(9), { ...disposed, message: /^The cursor, .*savepoint/ })
    await outer[Symbol.asyncDispose]()
  }
  assert.equal((await older.read(2)).length, 2)
  assert.equal(tx.state, 'open')
})

test('a savepoint that cannot be released takes with it what was opened since, and leaves its transaction open', async () => {
  await using pool = pgPool(() => newPool(), { grace: 60_000 })
  await using lease = await pool.acquire()
  await using tx = await lease.begin()
  for (const use of ['read', 'dispose'] as const) {
    await using cursor = tx.cursor('select n from generate_series(1, 3) as n')
    const savepoint = await tx.savepoint()
    await cursor.read(1)
    await assert.rejects(savepoint.query('select 1/0'), { code: '22012' })
    await assert.rejects(savepoint.commit(), { code: 'ERR_PG_ROLLED_BACK' })
    if (use === 'read') await assert.rejects(cursor.read(1), { ...disposed, message: /savepoint/ })
  }
  await tx.query('select 1')
  await tx.commit()
})

test('a cursor that is gone with a savepoint by text can be disposed, and its transaction goes on', async () => {
  await using pool = pgPool(() => newPool(), { grace: 60_000 })
  await using lease = await pool.acquire()
  await using tx = await lease.begin()
  await tx.query('savepoint one')
  {
    await using cursor = tx.cursor(million)
    await cursor.read(1)
    await tx.query('rollback to one')
  }
  {
    await using cursor = tx.cursor(million)
    await cursor.read(1)
  }
  assert.equal(await cursorsOf(tx), 0)
  await tx.commit()
})

test('what is run as a whole gives its rows like any other: INSERT … RETURNING, EXPLAIN, a WITH that writes', async () => {
  await using table = await newTable()
  await using pool = pgPool(() => newPool(), { grace: 60_000 })
  await using lease = await pool.acquire()
  const inserted = lease.cursor(
    `/* one */ insert into ${table.name} select generate_series(1, 5) returning v`,
  )
  assert.deepEqual(await inserted.read(2), [{ v: 1 }, { v: 2 }])
  assert.deepEqual((await take(inserted, -1)).length, 3)
  assert.deepEqual(await inserted.read(2), [])
  const moved = lease.cursor(
    `with gone as (delete from ${table.name} where v < $1 returning v) select v from gone order by v`,
    [3],
  )
  assert.deepEqual(await moved.read(9), [{ v: 1 }, { v: 2 }])
  assert.equal((await lease.cursor('explain select 1').read(1)).length, 1)
  assert.deepEqual(await table.values(), [3, 4, 5])
  const read = [
    `-- a comment
     with a as (select 1 as n) select n from a`,
    '(select 1 as n)',
    'values (1)',
    `table ${table.name}`,
    'select 1 as n;',
  ]
  for (const text of read) assert.ok((await lease.cursor(text).read(9)).length > 0, text)
})

test('one statement is one statement: a second one behind it is refused by the server', async () => {
  await using table = await newTable()
  await using pool = pgPool(() => newPool(), { grace: 60_000 })
  await using lease = await pool.acquire()
  const insert = `insert into ${table.name} values (1)`
  for (const text of [`select 1; ${insert}`, `${insert}; select 1`, `${insert}; ${insert}`]) {
    await assert.rejects(lease.cursor(text).read(1), { code: '42601' })
  }
  await lease.query('select 1')
  assert.deepEqual(await table.values(), [])
})

test('a value that cannot be converted fails the cursor and leaves the connection usable', async () => {
  await using pool = pgPool(() => newPool(), { grace: 60_000 })
  await using lease = await pool.acquire()
  const bad = {
    toPostgres() {
      throw new Error('not convertible')
    },
  }
  await assert.rejects(lease.cursor('select $1', [bad]).read(1), /not convertible/)
  await lease.query('vacuum pg_largeobject_metadata')
})

test('a cursor that is cut off by a broken wire rejects, and one before a silent wire ends within the grace', async () => {
  await using wire = await Wire.start()
  await using pool = pgPool(() => newPool({ connectionString: wire.url }), { grace: 200 })
  {
    await using lease = await pool.acquire()
    await using cursor = lease.cursor(million)
    await cursor.read(1)
    wire.cut()
    await assert.rejects(cursor.read(1))
  }
  {
    await using lease = await pool.acquire()
    const cursor = lease.cursor(million)
    await cursor.read(1)
    wire.freeze()
    const reading = assert.rejects(cursor.read(1))
    await new Promise(setImmediate)
    await cursor[Symbol.asyncDispose]()
    await reading
  }
})

test('a cursor whose COMMIT is not answered, or cut off, does not give its last rows as if it were', async () => {
  await using wire = await Wire.start()
  await using pool = pgPool(() => newPool({ connectionString: wire.url }), { grace: 200 })
  for (const lose of ['freeze', 'cut'] as const) {
    await using lease = await pool.acquire()
    wire.onClientMessage = ({ type, bytes }) => {
      if (type === 'Q' && bytes.includes('COMMIT')) wire[lose]()
    }
    const cursor = lease.cursor('select 1')
    await assert.rejects(cursor.read(2), { code: 'ERR_PG_COMMIT_UNKNOWN' })
    await assert.rejects(cursor.read(2), { code: 'ERR_PG_COMMIT_UNKNOWN' })
  }
})

test('wrong arguments of cursor() are a TypeError that names them', async () => {
  await using pool = pgPool(() => newPool(), { grace: 60_000 })
  await using lease = await pool.acquire()
  const cursor = lease.cursor.bind(lease) as (...parameters: unknown[]) => unknown
  assert.throws(() => cursor(7), { name: 'TypeError', message: /cursor\(\)/ })
  assert.throws(() => cursor('select 1', 7), { name: 'TypeError', message: /array/ })
  for (const count of [0, -1, 1.5, Number.NaN, Infinity, 2 ** 31]) {
    assert.throws(() => cursor('select 1', [], { batch: count }), /`batch` of cursor\(\)/)
    await assert.rejects(lease.cursor('select 1').read(count), /argument of read\(\) .* 2147483647/)
  }
  assert.deepEqual(await lease.cursor('select 1 as one').read(2 ** 31 - 1), [{ one: 1 }])
  assert.throws(() => cursor('select 1', [], { size: 1 }), /`size` of cursor\(\)/)
  await lease[Symbol.asyncDispose]()
  assert.throws(() => cursor('select 1'), disposed)
})
