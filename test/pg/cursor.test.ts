/** Cursors: bounded memory, an early exit, and an end in every state that is neither a hang nor an empty page. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type pg from 'pg'
import { pgPool, type PgCursor, type PgLease, type PgTransaction } from 'unwind/pg'

import { backendOf, newPool, newTable, Observer } from './support/database.ts'
import { Wire } from './support/proxy.ts'

const disposed = { code: 'ERR_DISPOSED' }
const million = 'select n from generate_series(1, 1000000) as n'

type Owner = PgLease | PgTransaction

/** On a lease of its own, outside of a transaction and inside of one. */
const owners: Record<string, (lease: PgLease) => Promise<Owner & Partial<AsyncDisposable>>> = {
  'a lease': async (lease) => lease,
  'a transaction': (lease) => lease.begin(),
  'a savepoint': async (lease) => (await lease.begin()).savepoint(),
}

async function cursorsOf(connection: Owner): Promise<number> {
  const { rows } = await connection.query(
    "select count(*)::int as n from pg_cursors where name like 'unwind%'",
  )
  return rows[0].n
}

async function take<Row>(cursor: AsyncIterable<Row>, count: number): Promise<Row[]> {
  const rows: Row[] = []
  for await (const row of cursor) {
    rows.push(row)
    if (rows.length === count) break
  }
  return rows
}

for (const [name, open] of Object.entries(owners)) {
  test(`a cursor of ${name} gives every row in order, and then nothing`, async () => {
    await using pool = pgPool(() => newPool(), { grace: 10_000 })
    await using lease = await pool.acquire()
    const owner = await open(lease)
    for (const [rows, batch] of [
      [0, 10],
      [1, 10],
      [10, 10],
      [25, 10],
      [25, 100],
      [7, 1],
    ] as const) {
      await using cursor = owner.cursor<{ n: number }>(
        'select n from generate_series(1, $1) as n',
        [rows],
        { batch },
      )
      const all = (await take(cursor, -1)).map(({ n }) => n)
      assert.deepEqual(
        all,
        Array.from({ length: rows }, (_, index) => index + 1),
      )
      assert.deepEqual(await cursor.read(5), [])
      assert.equal(await cursorsOf(owner), 0)
    }
  })

  test(`read() of ${name} gives at most as many rows as asked for, in the order of the calls`, async () => {
    await using pool = pgPool(() => newPool(), { grace: 10_000 })
    await using lease = await pool.acquire()
    const owner = await open(lease)
    await using cursor = owner.cursor('select n from generate_series(1, 10) as n')
    const pages = await Promise.all([4, 4, 4, 4].map((count) => cursor.read(count)))
    assert.deepEqual(
      pages.map((page) => page.map(({ n }) => n)),
      [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10], []],
    )
    for (const count of [0, -1, 1.5, Number.NaN, '3' as never]) {
      await assert.rejects(cursor.read(count), { name: 'TypeError', message: /read\(\)/ })
    }
  })

  test(`leaving a loop over ${name} early closes the cursor, by break, by throw and by dispose`, async () => {
    await using pool = pgPool(() => newPool(), { grace: 10_000 })
    await using lease = await pool.acquire()
    const pid = await backendOf(lease)
    const owner = await open(lease)

    const broken = owner.cursor(million)
    assert.deepEqual(await take(broken, 2), [{ n: 1 }, { n: 2 }])
    assert.equal(await cursorsOf(owner), 0)
    await assert.rejects(broken.read(1), disposed)

    const reason = new Error('enough')
    const thrown = owner.cursor(million)
    await assert.rejects(
      (async () => {
        for await (const _ of thrown) throw reason
      })(),
      (error) => error === reason,
    )
    assert.equal(await cursorsOf(owner), 0)

    const left = owner.cursor(million)
    assert.equal((await left.read(3)).length, 3)
    await Promise.all([left[Symbol.asyncDispose](), left[Symbol.asyncDispose]()])
    await left[Symbol.asyncDispose]()
    await assert.rejects(left.read(1), disposed)
    assert.equal(await cursorsOf(owner), 0)
    assert.equal(await backendOf(lease), pid)
  })

  test(`a failing query of ${name} is never an empty page, whenever it fails`, async () => {
    await using pool = pgPool(() => newPool(), { grace: 10_000 })
    for (const [text, before] of [
      ['select * from nowhere', 0],
      ['selec 1', 0],
      ['select 1 / (n - 250) as n from generate_series(1, 1000) as n', 200],
    ] as const) {
      await using lease = await pool.acquire()
      const owner = await open(lease)
      {
        await using cursor = owner.cursor(text, [], { batch: 100 })
        let seen = 0
        const failure = await (async () => {
          for await (const _ of cursor) seen += 1
        })().then(
          () => assert.fail('It ended as if there were no more rows.'),
          (error: unknown) => error,
        )
        assert.equal(seen, before)
        await assert.rejects(cursor.read(1), (error) => error === failure)
        await assert.rejects(cursor.read(1), (error) => error === failure)
      }
      assert.equal(owner === lease || (owner as PgTransaction).state === 'failed', true)
      await lease[Symbol.asyncDispose]()
      await pool.query('vacuum pg_largeobject_metadata')
    }
  })

  test(`an abort cancels the read of ${name} that runs, with the signal's reason`, async () => {
    await using observer = await Observer.start()
    await using pool = pgPool(() => newPool(), { grace: 10_000 })
    await using lease = await pool.acquire()
    const pid = await backendOf(lease)
    const owner = await open(lease)
    const controller = new AbortController()
    const reason = new Error('enough')
    await using cursor = owner.cursor('select pg_sleep(60)', [], { signal: controller.signal })
    const reading = cursor.read(1)
    await observer.untilRunning(pid, 'FETCH')
    controller.abort(reason)
    await assert.rejects(reading, (error) => error === reason)
    await assert.rejects(cursor.read(1), (error) => error === reason)
    await endTransactionOf(owner, lease)
    assert.equal(await backendOf(lease), pid)

    const late = lease.cursor('select 1', [], { signal: AbortSignal.abort(reason) })
    await assert.rejects(late.read(1), (error) => error === reason)
    assert.equal(await backendOf(lease), pid)
  })

  test(`a cursor of ${name} whose backend is killed rejects, reading or not, and can be disposed`, async () => {
    await using observer = await Observer.start()
    await using pool = pgPool(() => newPool(), { grace: 10_000 })
    for (const busy of [true, false]) {
      await using lease = await pool.acquire()
      const pid = await backendOf(lease)
      const owner = await open(lease)
      await using cursor = owner.cursor(
        busy ? 'select n, pg_sleep(n) from generate_series(0, 60) as n' : million,
      )
      assert.equal((await cursor.read(1)).length, 1)
      const reading = busy ? cursor.read(2) : undefined
      const failed = reading && assert.rejects(reading, { code: '57P01' })
      if (busy) await observer.untilRunning(pid, 'FETCH')
      await observer.terminate(pid)
      await failed
      await observer.untilGone(pid)
      await assert.rejects(cursor.read(1))
      await assert.rejects(cursor.read(1))
      await assert.rejects(take(cursor, 1))
    }
    await pool.query('select 1')
  })

  test(`the release of a lease ends the cursor of ${name} in every state, and the next holder finds nothing`, async () => {
    await using observer = await Observer.start()
    await using pool = pgPool(() => newPool(), { grace: 10_000 })
    let pid: number | undefined
    const states: Record<string, (cursor: PgCursor<unknown>, lease: PgLease) => Promise<unknown>> =
      {
        unstarted: async () => {},
        started: async (cursor) => void cursor.read(1).catch(() => {}),
        queued: async (cursor, lease) => {
          void lease.query('select pg_sleep(60)').catch(() => {})
          void cursor.read(1).catch(() => {})
        },
        reading: async (cursor) => {
          void cursor.read(2).catch(() => {})
          if (pid !== undefined) await observer.untilRunning(pid, 'FETCH')
        },
        'between reads': (cursor) => cursor.read(1),
        done: (cursor) => cursor.read(100),
        disposed: async (cursor) => {
          await cursor.read(1)
          await (cursor as PgCursor<unknown> & AsyncDisposable)[Symbol.asyncDispose]()
        },
      }
    for (const [state, enter] of Object.entries(states)) {
      const lease = await pool.acquire()
      pid ??= await backendOf(lease)
      const owner = await open(lease)
      const slow = state === 'reading'
      const cursor = owner.cursor(
        slow
          ? 'select n, pg_sleep(n * 60) from generate_series(0, 3) as n'
          : 'select generate_series(1, 50)',
      )
      await enter(cursor, lease)
      await lease[Symbol.asyncDispose]()
      if (state === 'done') assert.deepEqual(await cursor.read(1), [])
      else await assert.rejects(cursor.read(1), disposed, state)
      await cursor[Symbol.asyncDispose]()

      await using next = await pool.acquire()
      assert.equal(await backendOf(next), pid, state)
      assert.equal(await cursorsOf(next), 0, state)
      // Refused inside of a transaction.
      await next.query('vacuum pg_largeobject_metadata')
    }
  })

  test(`the dispose of a cursor of ${name} ends a read in flight, and one that waits for its turn`, async () => {
    await using observer = await Observer.start()
    await using pool = pgPool(() => newPool(), { grace: 10_000 })
    await using lease = await pool.acquire()
    const pid = await backendOf(lease)
    const owner = await open(lease)
    const queued = owner.cursor('select 1 as n')
    const before = owner.query('select pg_sleep(0.1)')
    const waiting = assert.rejects(queued.read(1), disposed)
    await new Promise(setImmediate)
    await queued[Symbol.asyncDispose]()
    await waiting
    await before
    assert.equal(await cursorsOf(owner), 0)

    const reading = owner.cursor('select pg_sleep(60)')
    const ended = assert.rejects(reading.read(1), (error: Error & { code?: string }) => {
      assert.equal(error.code, '57014')
      assert.equal((error.cause as { code?: string }).code, 'ERR_DISPOSED')
      return true
    })
    await observer.untilRunning(pid, 'FETCH')
    await reading[Symbol.asyncDispose]()
    await ended
    await endTransactionOf(owner, lease)
    assert.equal(await backendOf(lease), pid)
  })
}

test('ten million rows are read with the memory of one batch, and left early at once', async () => {
  await using pool = pgPool(() => newPool(), { grace: 10_000 })
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
  await using pool = pgPool(() => newPool(), { grace: 10_000 })
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
  await using pool = pgPool(() => newPool(), { grace: 10_000 })
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
  await using pool = pgPool(() => newPool(), { grace: 10_000 })
  await using lease = await pool.acquire()
  const before = [lease.query('select pg_sleep(0.05)'), lease.query('begin')]
  const cursor = lease.cursor('select pg_current_xact_id()::text as id')
  const rows = await cursor.read(5)
  await Promise.all(before)
  const { rows: now } = await lease.query('select pg_current_xact_id()::text as id')
  assert.deepEqual(rows, now, 'in the transaction that was begun by hand, which goes on')
})

test('a cursor is over with its transaction, whichever way that ends', async () => {
  await using pool = pgPool(() => newPool(), { grace: 10_000 })
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
  await using pool = pgPool(() => newPool(), { grace: 10_000 })
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
    else await assert.rejects(outer.read(9), disposed)
    await outer[Symbol.asyncDispose]()
  }
  assert.equal((await older.read(2)).length, 2)
  assert.equal(tx.state, 'open')
})

test('what is run as a whole gives its rows like any other: INSERT … RETURNING, EXPLAIN, a WITH that writes', async () => {
  await using table = await newTable()
  await using pool = pgPool(() => newPool(), { grace: 10_000 })
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
  await using pool = pgPool(() => newPool(), { grace: 10_000 })
  await using lease = await pool.acquire()
  const cursor = lease.cursor(`select 1; insert into ${table.name} values (1)`)
  await assert.rejects(cursor.read(1), { code: '42601' })
  await lease.query('select 1')
  assert.deepEqual(await table.values(), [])
})

test('a value that cannot be converted fails the cursor and leaves the connection usable', async () => {
  await using pool = pgPool(() => newPool(), { grace: 10_000 })
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

test('wrong arguments of cursor() are a TypeError that names them', async () => {
  await using pool = pgPool(() => newPool(), { grace: 10_000 })
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

async function endTransactionOf(owner: Owner, lease: PgLease): Promise<void> {
  if (owner === lease) return
  // A savepoint does not know whose it is.
  await (lease.unsafeClient() as pg.ClientBase).query('rollback')
  await assert.rejects((owner as PgTransaction).rollback(), { code: 'ERR_PG_TRANSACTION_ENDED' })
}
