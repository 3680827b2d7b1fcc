/** `sqliteResources()`: the file of the app, the reader of a request. */
import assert from 'node:assert/strict'
import { describe } from 'node:test'
import { createApp } from 'unwind'
import type { SqliteDatabase, SqliteReader } from 'unwind/better-sqlite3'
import { setUp } from './support/app.ts'
import { filesOf, insert, names, openRaw, resourcesOf, temporaryPath } from './support/database.ts'
import { test } from './support/drivers.ts'
import { withCode, within } from './support/promises.ts'

describe('the reader of a request', () => {
  test('it reads what is committed, and is dead after the request', async (t) => {
    const { app, resources } = setUp(t, { readers: 1 })
    let kept: SqliteReader | undefined
    await app.run(async (scope) => {
      insert(await scope.get(resources.transaction), 'a')
      kept = await scope.get(resources.reader)
      assert.deepEqual(names(kept), [])
    })
    await app.run(async (scope) => {
      assert.deepEqual(names(await within(scope.get(resources.reader))), ['a'])
    })
    assert.throws(
      () => kept?.prepare('select 1'),
      (error) =>
        withCode('ERR_DISPOSED', /reader of/)(error) &&
        withCode('ERR_SCOPE_CLOSED')((error as Error).cause),
    )
  })

  test('a request that left an iterator open gives the reader back all the same', async (t) => {
    const { app, resources } = setUp(t, { readers: 1 })
    for (let round = 0; round < 3; round += 1) {
      await within(
        app.run(async (scope) => {
          const reader = await scope.get(resources.reader)
          reader.prepare('select name from item').iterate().next()
        }),
      )
    }
  })
})

describe('the database of the app', () => {
  test('the first requests of an app have its transaction in the order in which they asked', async (t) => {
    const { app, resources, committed } = setUp(t)
    const requests = ['a', 'b', 'c'].map((name) =>
      app.run(async (scope) => insert(await scope.get(resources.transaction), name)),
    )
    await Promise.all(requests)
    assert.deepEqual(committed(), ['a', 'b', 'c'])
  })

  test('it is opened at its first use, shared by all requests, and closed with the app', async (t) => {
    const { app, path, resources } = setUp(t)
    const found: SqliteDatabase[] = []
    for (let round = 0; round < 2; round += 1) {
      await app.run(async (scope) => {
        found.push(await scope.get(resources.database))
      })
    }
    assert.equal(found[0], found[1])
    await app.close()
    assert.deepEqual(filesOf(path), ['test.db'])
    assert.throws(
      () => found[0]?.prepare('select 1'),
      (error) =>
        withCode('ERR_DISPOSED', /database "[^"]*test\.db"/)(error) &&
        withCode('ERR_SCOPE_CLOSED', /shop/)((error as Error).cause),
    )
  })

  test('a path can be given by a function, which is called when the database is needed', async (t) => {
    const { app, path } = setUp(t)
    let calls = 0
    const resources = resourcesOf(t, () => {
      calls += 1
      return path
    })
    assert.equal(calls, 0)
    for (let round = 0; round < 2; round += 1) {
      await app.run(async (scope) => void (await scope.get(resources.database)))
    }
    assert.equal(calls, 1)
  })

  test('a Database of the caller stays open when the app closes', async (t) => {
    const raw = openRaw(t, ':memory:')
    raw.exec('create table item (name text)')
    const app = createApp()
    const resources = resourcesOf(t, raw.database)
    await app.run(async (scope) => insert(await scope.get(resources.transaction), 'a'))
    await app.close()
    assert.equal(raw.open, true)
    assert.deepEqual(raw.column('select name from item'), ['a'])
  })

  test('what cannot be opened rejects the get with the path, and the next get tries again', async (t) => {
    const path = temporaryPath(t, 'missing/x.db')
    const app = createApp()
    t.after(() => app.close())
    const resources = resourcesOf(t, path)
    const request = (): Promise<unknown> => app.run((scope) => scope.get(resources.transaction))
    for (let round = 0; round < 2; round += 1) {
      await assert.rejects(request(), withCode('ERR_SQLITE_OPEN', /missing\/x\.db/))
    }
  })
})
