/** Cursors: bounded memory, an early exit, and an end in every state that is neither a hang nor an empty page. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type pg from 'pg'
import { pgPool, type PgCursor, type PgLease, type PgTransaction } from 'unwind/pg'

import { backendOf, newPool, Observer } from './support/database.ts'
import { cursorsOf, million, take, type Owner } from './support/cursors.ts'

const disposed = { code: 'ERR_DISPOSED' }

/** On a lease of its own, outside of a transaction and inside of one. */
const owners: Record<string, (lease: PgLease) => Promise<Owner & Partial<AsyncDisposable>>> = {
  'a lease': async (lease) => lease,
  'a transaction': (lease) => lease.begin(),
  'a savepoint': async (lease) => (await lease.begin()).savepoint(),
}

for (const [name, open] of Object.entries(owners)) {
  test(`a cursor of ${name} gives every row in order, and then nothing`, async () => {
    await using pool = pgPool(() => newPool(), { grace: 60_000 })
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

  test(`a failing cursor of ${name} rejects with a stack that leads to whoever reads or iterates`, async () => {
    await using pool = pgPool(() => newPool(), { grace: 60_000 })
    const read = async (cursor: PgCursor<unknown>): Promise<void> => void (await cursor.read(1))
    const iterate = async (cursor: PgCursor<unknown>): Promise<void> =>
      void (await take(cursor, -1))
    for (const text of ['select 1 / (n - 1) from generate_series(1, 2) as n', 'nonsense']) {
      for (const [fetch, caller] of [
        [read, /at async read /],
        [iterate, /at async take .*\n.*at async iterate /],
      ] as const) {
        await using lease = await pool.acquire()
        const owner = await open(lease)
        await using cursor = owner.cursor(text)
        await assert.rejects(fetch(cursor), ({ stack }: Error) => caller.test(stack ?? ''))
      }
    }
  })

  test(`read() of ${name} gives at most as many rows as asked for, in the order of the calls`, async () => {
    await using pool = pgPool(() => newPool(), { grace: 60_000 })
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
    await using pool = pgPool(() => newPool(), { grace: 60_000 })
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
    await using pool = pgPool(() => newPool(), { grace: 60_000 })
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
    await using pool = pgPool(() => newPool(), { grace: 60_000 })
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
    await using pool = pgPool(() => newPool(), { grace: 60_000 })
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
    await using pool = pgPool(() => newPool(), { grace: 60_000 })
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
    await using pool = pgPool(() => newPool(), { grace: 60_000 })
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

test('the dispose of a cursor in the turn of its first read is its end on the server, too', async () => {
  await using pool = pgPool(() => newPool(), { grace: 60_000 })
  await using lease = await pool.acquire()
  await lease.query('create temp table kept (n int)')
  const cursor = lease.cursor(million)
  const read = assert.rejects(cursor.read(1), disposed)
  await cursor[Symbol.asyncDispose]()
  await read
  assert.equal(await cursorsOf(lease), 0)
  // A transaction of the cursor's that nobody ends would take this with it.
  await lease.query('insert into kept values (1)')
  const { rows } = await lease.query('select pg_current_xact_id_if_assigned() as open')
  assert.deepEqual(rows, [{ open: null }])
})

async function endTransactionOf(owner: Owner, lease: PgLease): Promise<void> {
  if (owner === lease) return
  // A savepoint does not know whose it is.
  await (lease.unsafeClient() as pg.ClientBase).query('rollback')
  await assert.rejects((owner as PgTransaction).rollback(), { code: 'ERR_PG_TRANSACTION_ENDED' })
}
