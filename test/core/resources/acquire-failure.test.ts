/** An acquisition that fails: who is told, what is released, and that nothing of it stays. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resource } from 'unwind'
import { setUp } from '../support/app.ts'
import { isPending, quiet, rejection } from '../support/promises.ts'
import { isSuppressed } from '../support/suppressed.ts'

const A = new Error('A')

function fail(error: unknown): never {
  throw error
}

test('an acquisition that fails half way releases what was acquired before with the failure', async (t) => {
  const { app, tracker } = setUp(t)
  const connection = tracker.resource('connection')
  const transaction = resource({
    name: 'transaction',
    acquire: async ({ get }) => {
      await get(connection)
      throw A
    },
    release: () => tracker.events.push('never'),
  })
  const error = await rejection(app.run((scope) => scope.get(transaction)))
  assert.equal(error, A)
  assert.deepEqual(tracker.exits, ['connection: failure(A)'])
  assert.deepEqual(tracker.events, ['+connection', '-connection'])
})

test('a failed acquisition that the body caught leaves the scope successful', async (t) => {
  const { app, tracker } = setUp(t)
  await app.run(async (scope) => {
    await scope.get(tracker.resource('outer'))
    assert.equal(await rejection(scope.get(resource({ acquire: () => fail(A) }))), A)
  })
  assert.deepEqual(tracker.exits, ['outer: success'])
})

test('an acquire function that throws at once rejects get, as one that rejects does', async (t) => {
  const { app } = setUp(t)
  await app.run(async (scope) => {
    assert.equal(await rejection(scope.get(resource({ acquire: () => fail(A) }))), A)
    assert.equal(await rejection(scope.get(resource({ acquire: async () => fail(A) }))), A)
    assert.equal(
      await rejection(scope.get(resource({ acquire: () => quiet().then(() => fail(A)) }))),
      A,
    )
  })
})

test('a failing dependency fails its dependents with that very error', async (t) => {
  const { app } = setUp(t)
  const failing = resource({ name: 'failing', acquire: () => fail(A) })
  const middle = resource({ name: 'middle', acquire: ({ get }) => get(failing) })
  const outer = resource({ name: 'outer', acquire: ({ get }) => get(middle) })
  assert.equal(await rejection(app.run((scope) => scope.get(outer))), A)
})

test('a dependent can do without a dependency that failed', async (t) => {
  const { app } = setUp(t)
  const failing = resource({ name: 'cache', acquire: () => fail(A) })
  const outer = resource({
    name: 'outer',
    acquire: async ({ get }) => {
      try {
        return await get(failing)
      } catch {
        return 'without'
      }
    },
  })
  assert.equal(await app.run((scope) => scope.get(outer)), 'without')
})

test('what a resource acquired itself before failing it can release itself, with try and finally', async (t) => {
  const { app, tracker } = setUp(t)
  const failing = resource({
    name: 'failing',
    acquire: async () => {
      const connection = tracker.acquire('connection')
      try {
        await quiet()
        throw A
      } finally {
        tracker.release(connection)
      }
    },
  })
  assert.equal(await rejection(app.run((scope) => scope.get(failing))), A)
  assert.deepEqual(tracker.events, ['+connection', '-connection'])
})

test('what a generator acquired before failing its nested await using releases', async (t) => {
  const { app, tracker } = setUp(t)
  const failing = resource(async function* failing() {
    await using _connection = tracker.disposable('connection')
    await quiet()
    fail(A)
    yield 1
  })
  assert.equal(await rejection(app.run((scope) => scope.get(failing))), A)
  assert.deepEqual(tracker.events, ['+connection', '-connection'])
})

test('a failing release inside a failing acquisition is in the chain that get rejects with', async (t) => {
  const { app } = setUp(t)
  const D = new Error('D')
  const failing = resource(async function* failing() {
    await using _inner = { [Symbol.asyncDispose]: () => Promise.reject(D) }
    await quiet()
    fail(A)
    yield 1
  })
  const error = await rejection(app.run((scope) => scope.get(failing)))
  assert.ok(isSuppressed(error))
  assert.equal(error.error, D)
  assert.equal(error.suppressed, A)
})

test('a guard made before the first await gives back what an abort cut off half way', async (t) => {
  const { app, tracker } = setUp(t)
  const begun = Promise.withResolvers<void>()
  const transaction = resource(async function* transaction({ signal }) {
    await using guard = tracker.disposable('connection')
    const answer = Promise.withResolvers<void>()
    signal.addEventListener('abort', () => answer.reject(signal.reason), { once: true })
    begun.resolve()
    await answer.promise
    yield guard
  })
  const reason = new Error('left')
  const scope = app.child()
  const getting = rejection(scope.get(transaction))
  await begun.promise
  scope.abort(reason)
  assert.equal(await getting, reason)
  await scope.close()
  assert.deepEqual(tracker.events, ['+connection', '-connection'])
})

test('a failed acquisition is delivered to everybody who waits, and then forgotten', async (t) => {
  const { app, tracker } = setUp(t)
  const gate = Promise.withResolvers<void>()
  let tries = 0
  const flaky = tracker.resource('flaky', {
    onAcquire: async () => {
      if (++tries > 1) return
      await gate.promise
      throw A
    },
  })
  await app.run(async (scope) => {
    const both = [rejection(scope.get(flaky)), rejection(scope.get(flaky))]
    assert.equal(await isPending(Promise.race(both)), true)
    gate.resolve()
    assert.deepEqual(await Promise.all(both), [A, A])
    assert.equal(tries, 1)
    assert.equal((await scope.get(flaky)).serial, 1)
    assert.equal(tries, 2)
  })
})

test('a failed app resource is tried again by the next request', async (t) => {
  const { app, tracker } = setUp(t)
  let tries = 0
  const pool = tracker.resource('pool', {
    lifetime: 'app',
    onAcquire: () => (++tries === 1 ? fail(A) : undefined),
  })
  assert.equal(await rejection(app.run((scope) => scope.get(pool))), A)
  const first = await app.run((scope) => scope.get(pool))
  const second = await app.run((scope) => scope.get(pool))
  assert.equal(first, second)
  assert.equal(tries, 2)
})
