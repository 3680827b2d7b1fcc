/** Start-up: what the app needs is acquired before the first request, and wrong edges show before it too. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  AcquireTimeoutError,
  CaptiveDependencyError,
  CircularDependencyError,
  createApp,
  override,
  resource,
  ScopeClosedError,
  value,
  type Resource,
} from 'unwind'
import { setUp } from '../support/app.ts'
import { isPending, quiet, rejection, within } from '../support/promises.ts'

test('warmUp acquires in the order of its arguments, each with what it needs, once', async (t) => {
  const { app, tracker } = setUp(t)
  const config = tracker.resource('config', { lifetime: 'app' })
  const pool = tracker.resource('pool', { lifetime: 'app', onAcquire: ({ get }) => get(config) })
  const cache = tracker.resource('cache', { lifetime: 'app', onAcquire: ({ get }) => get(config) })
  await app.warmUp(cache, pool, config)
  assert.deepEqual(tracker.events, ['+config', '+cache', '+pool'])
  await app.run((scope) => scope.get(pool))
  await app.warmUp(pool)
  assert.deepEqual(tracker.held, ['config', 'cache', 'pool'])
  await app.close()
  assert.deepEqual(tracker.events.slice(3), ['-pool', '-cache', '-config'])
})

test('warmUp without arguments does nothing, and settles once everything is there', async (t) => {
  const { app, tracker } = setUp(t)
  await app.warmUp()
  const gate = Promise.withResolvers<void>()
  const pool = tracker.resource('pool', { lifetime: 'app', onAcquire: () => gate.promise })
  const warming = app.warmUp(pool)
  assert.equal(await isPending(warming), true)
  gate.resolve()
  assert.equal(await warming, undefined)
})

test('warmUp takes values, and acquires what stands for a resource', async (t) => {
  const { app, tracker } = setUp(t)
  const pool = tracker.resource('pool', { lifetime: 'app' })
  using _override = app.override(pool, tracker.resource('fake'))
  await app.warmUp(value(1), pool)
  assert.deepEqual(tracker.events, ['+fake'])
})

test('warmUp rejects with the first failure, and goes no further', async (t) => {
  const { app, tracker } = setUp(t)
  const failure = new Error('A')
  const broken = resource({ lifetime: 'app', acquire: () => Promise.reject(failure) })
  const later = tracker.resource('later', { lifetime: 'app' })
  assert.equal(await rejection(app.warmUp(broken, later)), failure)
  assert.deepEqual(tracker.events, [])
})

test('warmUp refuses what does not live as long as the app, and what is no resource', async (t) => {
  const { app, tracker } = setUp(t)
  const pool = tracker.resource('pool', { lifetime: 'app' })
  const lease = tracker.resource('lease')
  await assert.rejects(app.warmUp(pool, lease), { name: 'TypeError', message: /warmUp\(\).*app/ })
  await assert.rejects(app.warmUp({} as never), { name: 'TypeError', message: /warmUp\(\)/ })
  assert.deepEqual(tracker.events, [])
})

const connection = resource({ name: 'connection', acquire: () => 1 })
const alias = resource({
  name: 'alias',
  lifetime: 'transient',
  acquire: ({ get }) => get(connection),
})

const captives: [string, Resource<unknown>, string[]][] = [
  [
    'directly',
    resource({ name: 'pool', lifetime: 'app', acquire: ({ get }) => get(connection) }),
    ['pool', 'connection'],
  ],
  [
    'through a transient resource',
    resource({ name: 'pool', lifetime: 'app', acquire: ({ get }) => get(alias) }),
    ['pool', 'alias', 'connection'],
  ],
  [
    'from a generator',
    resource(
      async function* pool({ get }) {
        yield await get(connection)
      },
      { lifetime: 'app' },
    ),
    ['pool', 'connection'],
  ],
]

test('one app can be asked about every wrong edge, and each is told with its path', async (t) => {
  const { app } = setUp(t)
  for (const [how, pool, path] of captives) {
    const error = await rejection(app.warmUp(pool))
    assert.ok(error instanceof CaptiveDependencyError, how)
    assert.deepEqual(error.path, path)
    assert.match(error.message, new RegExp(path.join(' → ')))
  }
})

test('a captive behind another app resource is told from the app resource that asked', async (t) => {
  const { app } = setUp(t)
  const inner = resource({ name: 'inner', lifetime: 'app', acquire: ({ get }) => get(connection) })
  const outer = resource({ name: 'outer', lifetime: 'app', acquire: ({ get }) => get(inner) })
  const error = await rejection(app.warmUp(outer))
  assert.ok(error instanceof CaptiveDependencyError)
  assert.deepEqual(error.path.slice(-2), ['inner', 'connection'])
})

test('warmUp finds circles', async (t) => {
  const { app } = setUp(t)
  const a: Resource<unknown> = resource({
    name: 'a',
    lifetime: 'app',
    acquire: ({ get }) => get(b),
  })
  const b: Resource<unknown> = resource({
    name: 'b',
    lifetime: 'app',
    acquire: ({ get }) => get(a),
  })
  const error = await rejection(within(app.warmUp(a)))
  assert.ok(error instanceof CircularDependencyError)
  assert.deepEqual(error.path, ['a', 'b', 'a'])
})

test('warmUp is bounded by the timeouts of what it acquires', async (t) => {
  const { app } = setUp(t)
  const stuck = resource({
    lifetime: 'app',
    acquireTimeout: 10,
    acquire: () => new Promise(() => {}),
  })
  assert.ok((await rejection(app.warmUp(stuck))) instanceof AcquireTimeoutError)
})

test('a closed app cannot be warmed up, and one that closes meanwhile says so', async (t) => {
  const { app, tracker } = setUp(t)
  const slow = tracker.resource('slow', { lifetime: 'app', onAcquire: quiet })
  const warming = rejection(app.warmUp(slow))
  await app.close()
  assert.ok((await warming) instanceof ScopeClosedError)
  assert.ok((await rejection(app.warmUp(slow))) instanceof ScopeClosedError)
})

test('a start that is cut off by a shutdown ends when everything is released', async (t) => {
  const { app, tracker } = setUp(t)
  const pool = tracker.resource('pool', { lifetime: 'app', onRelease: () => quiet() })
  const slow = resource({
    name: 'slow',
    lifetime: 'app',
    acquire: ({ signal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error))
      }),
  })
  const warming = rejection(app.warmUp(pool, slow)).then((error) => {
    tracker.events.push('rejected')
    return error
  })
  await quiet()
  await app.shutdown({ grace: 0, abortGrace: 1 })
  assert.ok((await within(warming)) instanceof ScopeClosedError)
  assert.deepEqual(tracker.events, ['+pool', '-pool', 'rejected'])
})

test('a start inside of what its app waits for does not wait for the app', async (t) => {
  const { app } = setUp(t)
  const entered = Promise.withResolvers<void>()
  const starting = app.run(async () => {
    entered.resolve()
    await quiet()
    const pool = resource({ lifetime: 'app', acquire: () => Promise.reject(new Error('A')) })
    return await rejection(app.warmUp(pool))
  })
  await entered.promise
  await within(app.close())
  assert.match(String(await within(starting)), /ScopeClosedError|Error: A/)
})

test('tests that run side by side make an app each', async () => {
  const pool = resource({ name: 'pool', lifetime: 'app', acquire: () => 'real' })
  const seen = await Promise.all(
    ['one', 'two'].map(async (fake) => {
      await using app = createApp({ overrides: [override(pool, value(fake))] })
      await app.warmUp(pool)
      return await app.run((scope) => scope.get(pool))
    }),
  )
  assert.deepEqual(seen, ['one', 'two'])
})
