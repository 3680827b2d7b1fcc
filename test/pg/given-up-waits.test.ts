/** Who gives up waiting for a connection: it is told why, and nobody else pays for it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createApp, type App, type Scope } from 'unwind'
import { pgPool, pgResources } from 'unwind/pg'

import { backendOf, newPool } from './support/database.ts'
import { boom } from './support/transactional.ts'

type Wait = (scope: Scope) => Promise<void>

test('who gives up waiting gets the reason of the signal, and the connection goes to the next', async () => {
  await using pool = pgPool(() => newPool())
  const held = await pool.acquire()
  const reason = new Error('enough')
  const controller = new AbortController()
  const given = assert.rejects(
    pool.acquire({ signal: controller.signal }),
    (error) => error === reason,
  )
  const next = pool.acquire()
  assert.deepEqual(pool.stats(), { total: 1, idle: 0, leased: 1, waiting: 2 })
  controller.abort(reason)
  await given
  assert.equal(pool.stats().waiting, 1)
  await held[Symbol.asyncDispose]()
  await using lease = await next
  assert.equal(lease.disposed, false)
  await assert.rejects(pool.acquire({ signal: controller.signal }), (error) => error === reason)
})

test('who gives up while a connection is being opened does not lose it for the others', async () => {
  await using pool = pgPool(() => newPool())
  const controller = new AbortController()
  const given = assert.rejects(pool.acquire({ signal: controller.signal }), { name: 'AbortError' })
  controller.abort()
  await given
  await using lease = await pool.acquire()
  assert.equal(pool.stats().total, 1)
  assert.equal(await backendOf(lease), await backendOf(lease))
})

test('thousands who gave up keep no connection from those who wait behind them', async () => {
  await using pool = pgPool(() => newPool())
  const held = await pool.acquire()
  const controller = new AbortController()
  const given = Array.from({ length: 5_000 }, () =>
    assert.rejects(pool.acquire({ signal: controller.signal }), { name: 'AbortError' }),
  )
  controller.abort()
  await Promise.all(given)
  const waiting = pool.acquire()
  await held[Symbol.asyncDispose]()
  await using _lease = await waiting
  assert.deepEqual(pool.stats(), { total: 1, idle: 0, leased: 1, waiting: 0 })
})

test('however many wait for one signal, it has one listener, and none when they have ended', async () => {
  await using pool = pgPool(() => newPool(), { grace: 60_000 })
  await using lease = await pool.acquire()
  for (const which of ['statements', 'callers'] as const) {
    for (const ending of ['answered', 'aborted'] as const) {
      const controller = new AbortController()
      const { signal } = controller
      let listeners = 0
      const counts: number[] = []
      signal.addEventListener = (...parameters: [never, never]) => {
        counts.push((listeners += 1))
        EventTarget.prototype.addEventListener.apply(signal, parameters)
      }
      signal.removeEventListener = (...parameters: [never, never]) => {
        listeners -= 1
        EventTarget.prototype.removeEventListener.apply(signal, parameters)
      }
      const waiting = Array.from({ length: 100 }, async () => {
        await using other = which === 'callers' ? await pool.acquire({ signal }) : undefined
        if (other === undefined) await lease.query('select 1', [], { signal })
      })
      if (ending === 'aborted') controller.abort(boom)
      else if (which === 'callers') await lease[Symbol.asyncDispose]()
      const results = await Promise.allSettled(waiting)
      const status = ending === 'aborted' ? 'rejected' : 'fulfilled'
      assert.ok(results.every((result) => result.status === status))
      assert.deepEqual([counts, listeners], [[1], 0])
    }
  }
})

test('a request that is aborted while it waits for its connection is told why, and the connection goes to the next', async () => {
  await using app = createApp()
  const db = pgResources(() => newPool())
  const pool = await app.get(db.pool)
  const held = await pool.acquire()
  const waits = Promise.withResolvers<void>()
  const given = app.run(async (scope) => {
    const connection = scope.get(db.connection)
    while (pool.stats().waiting === 0) await Promise.resolve()
    waits.resolve()
    await connection
  })
  await waits.promise
  const next = pool.acquire()
  app.abort(boom)
  await assert.rejects(given, (error) => error === boom)
  assert.equal(pool.stats().waiting, 1)
  await held[Symbol.asyncDispose]()
  await using lease = await next
  assert.equal(lease.disposed, false)
})

test('a request that gets its connection makes no signal for it, which would cost more than the rest', async (t) => {
  await using app = createApp()
  const db = pgResources(() => newPool())
  await app.get(db.pool)
  const made = t.mock.method(globalThis, 'AbortController')
  await app.run(async (scope) => (await scope.get(db.connection)).query('select 1'))
  assert.equal(made.mock.callCount(), 0)
})

test('whatever ends a request ends its wait for a connection', async () => {
  const db = pgResources(() => newPool())
  const ends: Record<string, (app: App, wait: Wait) => Promise<unknown>> = {
    'a deadline': (app, wait) => app.run({ timeout: 5 }, (scope) => wait(scope)),
    'a signal': (app, wait) => {
      const controller = new AbortController()
      const run = app.run({ signal: controller.signal }, (scope) => wait(scope))
      setImmediate(() => controller.abort(boom))
      return run
    },
    'an abort in the same turn': (app, wait) =>
      app.run((scope) => {
        const waiting = wait(scope)
        scope.abort(boom)
        return waiting
      }),
    'an abort around it': (app, wait) =>
      app.run((scope) => {
        setImmediate(() => scope.abort(boom))
        return scope.run({ name: 'inner' }, (inner) => wait(inner))
      }),
    'the failure of a task': (app, wait) =>
      app.run((scope) => {
        void scope.fork(() => Promise.reject(boom))
        return wait(scope)
      }),
    'the end of its body': (app, wait) => app.run((scope) => void wait(scope).catch(() => {})),
    'the failure of its body': (app, wait) =>
      app.run((scope) => {
        void wait(scope).catch(() => {})
        throw boom
      }),
    'a shutdown': (app, wait) => {
      const run = app.run((scope) => wait(scope))
      setImmediate(() => void app.shutdown({ grace: 1 }))
      return run
    },
  }
  for (const [how, end] of Object.entries(ends)) {
    const app = createApp()
    const pool = await app.get(db.pool)
    const held = await pool.acquire()
    let told: unknown
    const wait: Wait = async (scope) => {
      try {
        await scope.get(db.connection)
      } catch (error) {
        told = error
        throw error
      }
    }
    await Promise.allSettled([end(app, wait)])
    assert.ok(told instanceof Error || told instanceof DOMException, how)
    assert.equal(pool.stats().waiting, 0, how)
    await held[Symbol.asyncDispose]()
    await app[Symbol.asyncDispose]()
  }
})
