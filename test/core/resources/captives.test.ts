/** A longer life never holds a shorter one. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  CaptiveDependencyError,
  input,
  NotProvidedError,
  resource,
  type Resource,
  type Scope,
} from 'unwind'
import { setUp } from '../support/app.ts'
import { rejection } from '../support/promises.ts'
import type { Tracked } from '../support/tracker.ts'

const connection = resource({ name: 'connection', acquire: () => ({}) })

const captives: [through: string, middle: Resource<unknown>[]][] = [
  ['directly', []],
  [
    'through a transient resource',
    [resource({ name: 'query', lifetime: 'transient', acquire: ({ get }) => get(connection) })],
  ],
  [
    'through a resource of the nearest scope',
    [resource({ name: 'block', lifetime: 'scope', acquire: ({ get }) => get(connection) })],
  ],
]

for (const [through, [middle = connection]] of captives) {
  const cache = resource({ name: 'cache', lifetime: 'app', acquire: ({ get }) => get(middle) })
  const path = ['cache', ...(middle === connection ? [] : [middle.name]), 'connection']

  test(`an app resource that uses a request resource ${through} is a CaptiveDependencyError with the path`, async (t) => {
    const { app } = setUp(t)
    const error = await rejection(app.run((scope) => scope.get(cache)))
    assert.ok(error instanceof CaptiveDependencyError)
    assert.equal(error.code, 'ERR_CAPTIVE_DEPENDENCY')
    assert.deepEqual(error.path, path)
    assert.match(error.message, /"cache" lives as long as the app/)
    assert.match(error.message, new RegExp(path.join(' → ')))
  })

  test(`warmUp finds an app resource that uses a request resource ${through}`, async (t) => {
    const { app } = setUp(t)
    const error = await rejection(app.warmUp(cache))
    assert.ok(error instanceof CaptiveDependencyError)
    assert.deepEqual(error.path, path)
  })
}

test('an app resource that reads what a request brings is a captive, and not a request without that', async (t) => {
  const { app } = setUp(t)
  const tenant = input<string>('tenant')
  const cache = resource({ name: 'cache', lifetime: 'app', acquire: ({ get }) => get(tenant) })
  const error = await rejection(
    app.run((scope) => {
      scope.provide(tenant, 'acme')
      return scope.get(cache)
    }),
  )
  assert.ok(error instanceof CaptiveDependencyError)
  assert.deepEqual(error.path, ['cache', 'tenant'])
  assert.ok((await rejection(app.warmUp(cache))) instanceof CaptiveDependencyError)
  app.provide(tenant, 'everybody')
  assert.equal(await app.run((scope) => scope.get(cache)), 'everybody')
})

test('an app resource that asks a request of its own for what nobody provided there is told that', async (t) => {
  const { app } = setUp(t)
  const tenant = input<string>('tenant')
  const cache = resource({
    name: 'cache',
    lifetime: 'app',
    async acquire({ scope }) {
      await using request = scope.child()
      return await request.get(tenant)
    },
  })
  assert.ok((await rejection(app.get(cache))) instanceof NotProvidedError)
})

test('the path to a captive begins at the app resource, whoever asked for that', async (t) => {
  const { app } = setUp(t)
  const cache = resource({ name: 'cache', lifetime: 'app', acquire: ({ get }) => get(connection) })
  const handler = resource({ name: 'handler', acquire: ({ get }) => get(cache) })
  const error = await rejection(app.run((scope) => scope.get(handler)))
  assert.ok(error instanceof CaptiveDependencyError)
  assert.match(error.message, /"cache" lives as long as the app/)
  assert.equal(error.path.at(-1), 'connection')
})

test('a captive is found although the request has the resource already', async (t) => {
  const { app } = setUp(t)
  const cache = resource({ name: 'cache', lifetime: 'app', acquire: ({ get }) => get(connection) })
  await app.run(async (scope) => {
    await scope.get(connection)
    assert.ok((await rejection(scope.get(cache))) instanceof CaptiveDependencyError)
  })
})

type Use = (scope: Scope, lease: Resource<Tracked>) => Promise<Tracked>

const ways: Record<string, Use> = {
  run: (scope, lease) => scope.run((request) => request.get(lease)),
  child: async (scope, lease) => {
    await using request = scope.child()
    const held = await request.get(lease)
    request.complete()
    return held
  },
}
for (const [way, useLease] of Object.entries(ways)) {
  test(`while it is acquired, an app resource may use what a ${way}() of its own holds`, async (t) => {
    const { app, tracker } = setUp(t)
    const lease = tracker.resource('lease')
    const schema = resource({
      name: 'schema',
      lifetime: 'app',
      acquire: async ({ scope }) => (await useLease(scope, lease)).serial,
    })
    assert.equal(await app.run((scope) => scope.get(schema)), 1)
    assert.deepEqual(tracker.events, ['+lease', '-lease'])
  })
}

test('an app resource may keep a scope and open requests in it later', async (t) => {
  const { app, tracker } = setUp(t)
  const lease = tracker.resource('lease')
  const worker = resource({
    name: 'worker',
    lifetime: 'app',
    acquire: ({ scope }) => ({
      work: () => scope.run((request: Scope) => request.get(lease)),
    }),
  })
  const { work } = await app.run((scope) => scope.get(worker))
  assert.notEqual(await work(), await work())
  assert.deepEqual(tracker.events, ['+lease', '-lease', '+lease', '-lease'])
})

test('what an app resource asks for when it is there is no captive, whatever else is being acquired', async (t) => {
  const { app } = setUp(t)
  const gate = Promise.withResolvers<void>()
  const asked = Promise.withResolvers<unknown>()
  const cache = resource({
    name: 'cache',
    lifetime: 'app',
    acquire({ scope }) {
      // In the context of its acquire function, and after that.
      setImmediate(() => asked.resolve(rejection(scope.get(connection))))
      return {}
    },
  })
  const slow = resource({ name: 'slow', lifetime: 'app', acquire: () => gate.promise })
  await app.get(cache)
  const acquiring = app.get(slow)
  assert.equal(((await asked.promise) as { code?: string }).code, 'ERR_NO_SCOPE')
  gate.resolve()
  await acquiring
})
