/** A start that fails gives back what it had acquired, and one can try again. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resource } from 'unwind'
import { setUp, taken, type Fixture } from '../support/app.ts'
import { isPending, quiet, rejection } from '../support/promises.ts'

test('a failed start gives back what it had acquired, newest first, with the failure', async (t) => {
  const { app, tracker } = setUp(t)
  const failure = new Error('A')
  const first = tracker.resource('first', { lifetime: 'app' })
  const second = tracker.resource('second', { lifetime: 'app' })
  const broken = resource({ lifetime: 'app', acquire: () => Promise.reject(failure) })
  await app.warmUp(first)
  assert.equal(await rejection(app.warmUp(first, second, broken)), failure)
  assert.deepEqual(tracker.events, ['+first', '+second', '-second'])
  assert.deepEqual(tracker.exits, ['second: failure(A)'])
  assert.equal(app.state, 'open')
})

test('after a failed start one can try again', async (t) => {
  const { app, tracker } = setUp(t)
  const pool = tracker.resource('pool', { lifetime: 'app' })
  let down = true
  const redis = resource({
    name: 'redis',
    lifetime: 'app',
    acquire: async () => {
      if (down) throw new Error('down')
      return {}
    },
  })
  await rejection(app.warmUp(pool, redis))
  assert.deepEqual(tracker.held, [])
  down = false
  await app.warmUp(pool, redis)
  assert.deepEqual(tracker.events, ['+pool', '-pool', '+pool'])
})

/** A pool with a release that takes its time, and what knows it and has none. */
function poolAndRepository({ tracker }: Fixture, onRelease: () => unknown) {
  const pool = tracker.resource('pool', { lifetime: 'app', onRelease })
  const repository = resource({ lifetime: 'app', acquire: async ({ get }) => [await get(pool)] })
  const broken = resource({ lifetime: 'app', acquire: () => Promise.reject(new Error('A')) })
  return { pool, repository, broken }
}

test('what knows something that a failed start gave back is acquired again, too', async (t) => {
  const fixture = setUp(t)
  const { app, tracker } = fixture
  const { repository, broken } = poolAndRepository(fixture, () => {})
  await rejection(app.warmUp(repository, broken))
  await app.warmUp(repository)
  const [pool] = await app.run((scope) => scope.get(repository))
  tracker.use(pool)
})

test('what a failed start gives back is given to nobody who comes meanwhile', async (t) => {
  const fixture = setUp(t)
  const { app, tracker } = fixture
  const gate = Promise.withResolvers<void>()
  const { pool, broken } = poolAndRepository(fixture, () => {})
  const cache = tracker.resource('cache', { lifetime: 'app', onRelease: () => gate.promise })
  const warming = rejection(app.warmUp(pool, cache, broken))
  await quiet()
  await app.run(async (scope) => {
    const mine = await scope.get(pool)
    gate.resolve()
    await warming
    tracker.use(mine)
  })
})

test('an app that closes meanwhile waits for what a failed start gives back', async (t) => {
  const fixture = setUp(t)
  const { app, tracker } = fixture
  const gate = Promise.withResolvers<void>()
  const config = tracker.resource('config', { lifetime: 'app' })
  const { pool, broken } = poolAndRepository(fixture, () => gate.promise)
  await app.warmUp(config)
  const warming = rejection(app.warmUp(pool, broken))
  await quiet()
  const closing = app.close()
  assert.equal(await isPending(closing), true)
  gate.resolve()
  await closing
  await warming
  assert.deepEqual(tracker.events.slice(-2), ['-pool', '-config'])
})

test('what a failed start gives back may close the app, without waiting for itself', async (t) => {
  const fixture = setUp(t)
  const { app, tracker } = fixture
  const { pool, broken } = poolAndRepository(fixture, () => app.close())
  await rejection(app.warmUp(pool, broken))
  await app.close()
  assert.deepEqual(tracker.held, [])
})

test('a release that fails after a failed start is reported, and the start rejects with its own error', async (t) => {
  const { app, unthrown } = setUp(t)
  const pool = resource({
    name: 'pool',
    lifetime: 'app',
    acquire: () => 1,
    release: () => Promise.reject(new Error('D')),
  })
  const failure = new Error('A')
  const broken = resource({ lifetime: 'app', acquire: () => Promise.reject(failure) })
  assert.equal(await rejection(app.warmUp(pool, broken)), failure)
  assert.deepEqual(taken(unthrown), ['D'])
})

test('a failing warmUp takes nothing from requests that are served already', async (t) => {
  const { app, tracker } = setUp(t)
  const pool = tracker.resource('pool', { lifetime: 'app' })
  const broken = resource({ lifetime: 'app', acquire: () => Promise.reject(new Error('A')) })
  await app.run(async (scope) => {
    await rejection(app.warmUp(pool, broken))
    tracker.use(await scope.get(pool))
  })
  assert.deepEqual(tracker.held, ['pool'])
})

test('a failed start leaves what somebody else acquired or handed over beside it', async (t) => {
  const fixture = setUp(t)
  const { app, tracker } = fixture
  const { pool, broken } = poolAndRepository(fixture, () => {})
  const other = tracker.resource('other', { lifetime: 'app' })
  const gate = Promise.withResolvers<void>()
  const slow = tracker.resource('slow', { lifetime: 'app', onAcquire: () => gate.promise })
  const warming = rejection(app.warmUp(pool, slow, broken))
  const mine = await app.get(other)
  app.use(tracker.disposable('handed over'))
  gate.resolve()
  await warming
  assert.deepEqual(tracker.held, ['other', 'handed over'])
  tracker.use(mine)
})

test('a failed start leaves what somebody else has asked for, with what that needs', async (t) => {
  const { app, tracker } = setUp(t)
  const gate = Promise.withResolvers<void>()
  const config = tracker.resource('config', { lifetime: 'app' })
  const pool = tracker.resource('pool', { lifetime: 'app', onAcquire: ({ get }) => get(config) })
  const late = tracker.resource('late', { lifetime: 'app', onAcquire: ({ get }) => get(pool) })
  const broken = resource({
    lifetime: 'app',
    acquire: () => gate.promise.then(() => Promise.reject(new Error('A'))),
  })
  const warming = rejection(app.warmUp(pool, late, broken))
  await quiet()
  const mine = await app.get(pool)
  gate.resolve()
  await warming
  tracker.use(mine)
  assert.deepEqual(tracker.held.slice(0, 2), ['config', 'pool'])
})

test('a failed start gives back what an open request has not asked for', async (t) => {
  const fixture = setUp(t)
  const { app, tracker } = fixture
  const { pool, broken } = poolAndRepository(fixture, () => {})
  await app.run(async () => {
    await rejection(app.warmUp(pool, broken))
    assert.deepEqual(tracker.held, [])
  })
})

/** A start that has failed while `slow` is on its way, which uses the pool. */
async function failBesideSlow(fixture: Fixture, arrive: () => unknown) {
  const { pool } = poolAndRepository(fixture, () => {})
  const { tracker } = fixture
  const gate = Promise.withResolvers<void>()
  const slow = tracker.resource('slow', {
    lifetime: 'app',
    onAcquire: async ({ get }) => {
      const used = await get(pool)
      await gate.promise
      tracker.use(used)
      await arrive()
    },
  })
  const both = resource({
    lifetime: 'app',
    acquire: ({ get }) =>
      Promise.all([get(slow), quiet().then(() => Promise.reject(new Error('A')))]),
  })
  const warming = rejection(fixture.app.warmUp(pool, both))
  await quiet()
  assert.ok(await isPending(warming))
  return { warming, gate, slow }
}

test('what was on its way when a start failed goes back before what it uses', async (t) => {
  const fixture = setUp(t)
  const { app, tracker } = fixture
  const later = tracker.resource('later', { lifetime: 'app' })
  const { warming, gate } = await failBesideSlow(fixture, () => app.get(later))
  gate.resolve()
  assert.equal(((await warming) as Error).message, 'A')
  assert.deepEqual(tracker.events.slice(-4), ['+slow', '-slow', '-later', '-pool'])
})

test('what fails on its way after its start has failed is reported', async (t) => {
  const fixture = setUp(t)
  const { warming, gate } = await failBesideSlow(fixture, () => Promise.reject(new Error('late')))
  gate.resolve()
  await warming
  assert.deepEqual(fixture.tracker.held, [])
  assert.deepEqual(taken(fixture.unthrown), ['late'])
})

test('a failed start waits no longer for what is on its way than its app is open', async (t) => {
  const fixture = setUp(t)
  const { app, tracker } = fixture
  const { warming, gate, slow } = await failBesideSlow(fixture, () => {})
  const told = rejection(app.get(slow))
  const closing = app.close()
  assert.equal(((await told) as Error).name, 'ScopeClosedError')
  gate.resolve()
  await Promise.all([closing, warming])
  assert.deepEqual(tracker.events.slice(-2), ['-slow', '-pool'])
})
