/** More than one app, and code that has none: `run` outside every scope. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createApp, currentScope, inject, run, tryCurrentScope } from 'unwind'
import { setUp } from './support/app.ts'
import { ending, errorsOf } from './support/chain.ts'
import { quiet, rejection } from './support/promises.ts'
import { script } from './support/script.ts'
import { Tracker } from './support/tracker.ts'

test('two apps side by side share nothing', async (t) => {
  const [first, second] = [setUp(t, { name: 'first' }), setUp(t, { name: 'second' })]
  const { tracker } = first
  const pool = tracker.resource('pool', { lifetime: 'app', onAcquire: quiet })
  const lease = tracker.resource('lease', { onAcquire: ({ get }) => get(pool) })
  const open = ({ app }: typeof first): Promise<unknown[]> =>
    app.run(async (scope) => {
      const held = [await scope.get(lease), await scope.get(pool)]
      await quiet()
      assert.equal(currentScope(), scope)
      assert.equal(scope.parent, app)
      return held
    })
  const [ours, theirs] = await Promise.all([open(first), open(second)])
  assert.notEqual(ours?.[0], theirs?.[0])
  assert.notEqual(ours?.[1], theirs?.[1])
  await first.app.close()
  assert.deepEqual(tracker.held, ['pool'])
  assert.equal(await second.app.get(pool), theirs?.[1])
  await second.app.close()
})

test('a request of one app may run inside a request of another, each with its own', async (t) => {
  const [outer, inner] = [setUp(t), setUp(t)]
  const lease = outer.tracker.resource('lease')
  await outer.app.run(async (scope) => {
    const held = await inject(lease)
    await inner.app.run(async (other) => {
      assert.equal(currentScope(), other)
      assert.notEqual(await inject(lease), held)
    })
    assert.equal(currentScope(), scope)
    assert.equal(await inject(lease), held)
  })
})

test('run outside every scope opens a request in an app of its own, and closes both', async () => {
  const tracker = new Tracker()
  const pool = tracker.resource('pool', { lifetime: 'app' })
  const lease = tracker.resource('lease', { onAcquire: ({ get }) => get(pool) })
  let seen: unknown[] = []
  const result = await run(async (scope) => {
    await scope.get(lease)
    seen = [scope.kind, scope.parent?.kind, tryCurrentScope() === scope]
    return 'value'
  })
  assert.equal(result, 'value')
  assert.deepEqual(seen, ['request', 'app', true])
  assert.deepEqual(tracker.events, ['+pool', '+lease', '-lease', '-pool'])
  assert.deepEqual(tracker.exits, ['lease: success', 'pool: success'])
  assert.equal(tryCurrentScope(), undefined)
})

test('run outside every scope fails with the error of its body and those of both closings', async () => {
  const [B, D, P] = [new Error('B'), new Error('D'), new Error('P')]
  const ends: string[] = []
  const running = run({ name: 'script' }, (scope) => {
    assert.equal(scope.name, 'script')
    scope.parent?.defer((exit) => {
      ends.push(ending(exit))
      throw P
    })
    scope.defer(() => {
      throw D
    })
    throw B
  })
  assert.deepEqual(errorsOf(await rejection(running)), [P, D, B])
  assert.deepEqual(ends, ['failure(S(D←B))'])
})

test('run inside a scope opens a child of it', async (t) => {
  const { app, tracker } = setUp(t)
  const lease = tracker.resource('lease')
  await app.run(async (request) => {
    const held = await request.get(lease)
    await run(async (scope) => {
      assert.equal(scope.parent, request)
      assert.equal(await scope.get(lease), held)
    })
    await run({ name: 'block', kind: 'request' }, async (scope) => {
      assert.deepEqual([scope.name, scope.kind, scope.parent], ['block', 'request', request])
      assert.notEqual(await scope.get(lease), held)
    })
  })
})

test('an app closes with success, and with failure after fail', async () => {
  const ends: string[] = []
  for (const error of [undefined, new Error('E')]) {
    const app = createApp()
    app.defer((exit) => ends.push(ending(exit)))
    if (error !== undefined) app.fail(error)
    await app.close()
  }
  assert.deepEqual(ends, ['success', 'failure(E)'])
})

test('fail counts while an app shuts down, too', async () => {
  const ends: string[] = []
  const app = createApp()
  app.defer((exit) => ends.push(ending(exit)))
  const running = app.run(() => quiet().then(() => app.fail(new Error('E'))))
  await app.shutdown()
  await running
  assert.deepEqual(ends, ['failure(E)'])
})

test('a failed request leaves the app successful', async () => {
  const ends: string[] = []
  const app = createApp()
  app.defer((exit) => ends.push(ending(exit)))
  await rejection(app.run(() => Promise.reject(new Error('B'))))
  await app.close()
  assert.deepEqual(ends, ['success'])
})

test('a process that opened and closed scopes ends by itself', async () => {
  const lines = await script(`
    await run(async (scope) => scope.defer(() => turn()))
    const app = createApp()
    await app.run({ timeout: 600_000, abandonAfter: 600_000 }, async (scope) => {
      await scope.get(resource({ acquireTimeout: 600_000, disposeTimeout: 600_000,
        acquire: () => turn(), release: () => turn() }))
      await scope.run({ signal: scope.signal }, () => turn())
    })
    await app.close()
    process.on('exit', () => console.log('ended'))
  `)
  assert.deepEqual(lines, ['ended'])
})
