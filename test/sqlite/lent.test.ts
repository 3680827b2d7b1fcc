/** Lent and owned: what a scope lends cannot be disposed; what somebody acquires has to be, and is missed. */
import assert from 'node:assert/strict'
import { tracingChannel } from 'node:diagnostics_channel'
import { describe } from 'node:test'
import { detectLeaks, type LeakReport } from 'unwind'
import { within } from '../core/support/promises.ts'
import { setUp } from './support/app.ts'
import { insert, names } from './support/database.ts'
import { driverOf, test } from './support/drivers.ts'

/** What a program without types could do. */
async function disposeLater(lent: object): Promise<void> {
  await (lent as AsyncDisposable)[Symbol.asyncDispose]()
}

/** The same, with `using`. */
function disposeNow(lent: object): void {
  ;(lent as Disposable)[Symbol.dispose]()
}

describe('what a scope lends', () => {
  test('the database cannot be disposed: it says who closes it, and goes on', async (t) => {
    const { app, resources } = setUp(t)
    const database = await app.get(resources.database)
    const error = {
      name: 'TypeError',
      message: /^The database ".*" is lent by the scope "shop" \(app /,
    }
    await assert.rejects(disposeLater(database), error)
    assert.throws(() => disposeNow(database), error)
    assert.deepEqual(names(database), [])
  })

  test('the transaction and the reader cannot be disposed either', async (t) => {
    const { app, resources, committed } = setUp(t, { readers: 1 })
    await app.run({ name: 'orders' }, async (scope) => {
      const [tx, reader] = [
        await scope.get(resources.transaction),
        await scope.get(resources.reader),
      ]
      const lender = /is lent by the scope "orders" \(request /
      await assert.rejects(disposeLater(tx), lender)
      assert.throws(() => disposeNow(tx), lender)
      await assert.rejects(disposeLater(reader), lender)
      insert(tx, 'a')
      assert.deepEqual(names(reader), [])
    })
    assert.deepEqual(committed(), ['a'])
  })
})

test('what somebody acquires in a scope and does not dispose is a leak', async (t) => {
  const { app, path } = setUp(t)
  const leaks: LeakReport[] = []
  using _detection = detectLeaks({ level: 'full', onLeak: (leak) => leaks.push(leak) })
  await using database = driverOf(t).sqlite(path, { readers: 2 })
  const left = await app.run(async () => {
    await using _tx = await database.write()
    await using _reader = await database.read()
    return [await database.read()]
  })
  assert.deepEqual(
    leaks.map(({ reason, resource }) => [reason, resource]),
    [['scope', 'sqlite reader']],
  )
  await left[0]?.[Symbol.asyncDispose]()
  const [tx] = await app.run(async () => [await database.write()])
  assert.equal(leaks.at(-1)?.resource, 'sqlite transaction')
  assert.match(leaks.at(-1)?.site ?? '', /lent\.test\.[jt]s/)
  tx.rollback()
})

test('what is held for too long is suspected, and a leak once its scope has closed', async (t) => {
  const { app, path } = setUp(t)
  const leaks: LeakReport[] = []
  const suspected = Promise.withResolvers<void>()
  const onLeak = (leak: LeakReport): void => {
    leaks.push(leak)
    suspected.resolve()
  }
  using _detection = detectLeaks({ level: 'simple', threshold: 20, onLeak })
  await using database = driverOf(t).sqlite(path, { readers: 1 })
  const [reader] = await app.run(async () => {
    const held = await database.read()
    await within(suspected.promise)
    return [held]
  })
  assert.deepEqual(
    leaks.map(({ reason, resource }) => [reason, resource]),
    [
      ['age', 'sqlite reader'],
      ['scope', 'sqlite reader'],
    ],
  )
  await reader[Symbol.asyncDispose]()
})

test('what was acquired before leak detection was switched off is no leak', async (t) => {
  const { app, path } = setUp(t)
  const leaks: LeakReport[] = []
  using _detection = detectLeaks({ level: 'full', onLeak: (leak) => leaks.push(leak) })
  await using database = driverOf(t).sqlite(path, { readers: 1 })
  const [reader, off] = await app.run(async () => {
    const held = await database.read()
    return [held, detectLeaks({ level: 'off' })]
  })
  off[Symbol.dispose]()
  assert.deepEqual(leaks, [])
  await reader[Symbol.asyncDispose]()
})

test('the wait for a reader is traced, with its scope', async (t) => {
  const { app, path } = setUp(t)
  await using database = driverOf(t).sqlite(path, { readers: 1 })
  const { start, asyncEnd } = tracingChannel('unwind:acquire')
  const traced: unknown[] = []
  const begin = (message: unknown): unknown => traced.push(['start', message])
  const end = (message: unknown): unknown => traced.push(['end', message])
  start.subscribe(begin)
  asyncEnd.subscribe(end)
  t.after(() => {
    start.unsubscribe(begin)
    asyncEnd.unsubscribe(end)
  })
  const identity = await app.run(async ({ id, name, kind }) => {
    await using _reader = await database.read()
    return { id, name, kind }
  })
  const message = { resource: 'sqlite reader', lifetime: 'owned', scope: identity }
  assert.deepEqual(traced, [
    ['start', message],
    ['end', message],
  ])
})
