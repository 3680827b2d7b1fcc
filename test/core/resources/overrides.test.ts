/** Replacements of resources: for an app, for a block; with dependencies and lifetimes of their own. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  CaptiveDependencyError,
  createApp,
  input,
  override,
  resource,
  value,
  type Resource,
} from 'unwind'
import { setUp } from '../support/app.ts'
import { rejection } from '../support/promises.ts'
import type { Tracker } from '../support/tracker.ts'

interface Shop {
  readonly config: Resource<string>
  readonly pool: Resource<string>
  readonly orders: Resource<string>
}

/** orders (request) → pool (app) → config (app) */
function shop(tracker: Tracker): Shop {
  const named = (name: string): string => {
    tracker.events.push(name)
    return name
  }
  const config = resource({ name: 'config', lifetime: 'app', acquire: () => named('config') })
  const pool = resource({
    name: 'pool',
    lifetime: 'app',
    acquire: async ({ get }) => named(`pool(${await get(config)})`),
  })
  const orders = resource({
    name: 'orders',
    acquire: async ({ get }) => named(`orders(${await get(pool)})`),
  })
  return { config, pool, orders }
}

test('an override applies wherever the original is used, at any depth', async (t) => {
  const { app, tracker } = setUp(t)
  const { config, orders } = shop(tracker)
  using _override = app.override(config, value('fake'))
  assert.equal(await app.run((scope) => scope.get(orders)), 'orders(pool(fake))')
  assert.equal(await app.run((scope) => scope.run((inner) => inner.get(config))), 'fake')
})

test('the overrides of an app apply from the start', async () => {
  const tracker = { events: [] } as unknown as Tracker
  const { config, orders } = shop(tracker)
  await using app = createApp({ overrides: [override(config, value('fake'))] })
  assert.equal(await app.run((scope) => scope.get(orders)), 'orders(pool(fake))')
})

test('the original and what only it uses are not acquired', async (t) => {
  const { app, tracker } = setUp(t)
  const { pool, orders } = shop(tracker)
  using _override = app.override(pool, value('fake'))
  assert.equal(await app.run((scope) => scope.get(orders)), 'orders(fake)')
  assert.deepEqual(tracker.events, ['orders(fake)'])
})

test('an override of an input stands for what nobody provided', async (t) => {
  const { app } = setUp(t)
  const tenant = input<string>('tenant')
  using _override = app.override(tenant, value('acme'))
  assert.equal(await app.run((scope) => scope.get(tenant)), 'acme')
})

test('an input can stand for a resource', async (t) => {
  const { app } = setUp(t)
  const tenant = input<string>('tenant')
  const lookup = resource({ name: 'lookup', acquire: () => 'looked up' })
  const overrides = [override(lookup, tenant)]
  const seen = await app.run({ overrides }, (scope) => {
    scope.provide(tenant, 'provided')
    return scope.get(lookup)
  })
  assert.equal(seen, 'provided')
})

test('a value can be replaced, also by a resource with a release', async (t) => {
  const { app, tracker } = setUp(t)
  const region = value('eu')
  const regional = resource(async function* regional() {
    yield 'us'
    tracker.events.push('released')
  })
  const overrides = [override(region, regional)]
  assert.equal(await app.run({ overrides }, (scope) => scope.get(region)), 'us')
  assert.deepEqual(tracker.events, ['released'])
})

test('a replacement has dependencies of its own, which are released after it', async (t) => {
  const { app, tracker } = setUp(t)
  const original = tracker.resource('original')
  const helper = tracker.resource('helper')
  const replacement = tracker.resource('replacement', { onAcquire: ({ get }) => get(helper) })
  using _override = app.override(original, replacement)
  await app.run((scope) => scope.get(original))
  assert.deepEqual(tracker.events, ['+helper', '+replacement', '-replacement', '-helper'])
})

test('a replacement without a lifetime lives as long as its original', async (t) => {
  const { app, tracker } = setUp(t)
  const original = tracker.resource('original', { lifetime: 'app' })
  const replacement = tracker.resource('replacement')
  using _override = app.override(original, replacement)
  const [first, second] = await Promise.all([
    app.run((scope) => scope.get(original)),
    app.run((scope) => scope.get(original)),
  ])
  assert.equal(first, second)
  assert.deepEqual(tracker.held, ['replacement'])
})

test('a replacement with a lifetime of its own keeps that', async (t) => {
  const { app, tracker } = setUp(t)
  const original = tracker.resource('original', { lifetime: 'app' })
  const replacement = tracker.resource('replacement', { lifetime: 'transient' })
  using _override = app.override(original, replacement)
  await app.run(async (scope) => {
    assert.notEqual(await scope.get(original), await scope.get(original))
  })
  assert.deepEqual(tracker.held, [])
})

test('a longer-lived resource that uses a replacement which lives as long as a request is told so', async (t) => {
  const { app, tracker } = setUp(t)
  const { config, pool } = shop(tracker)
  const perRequest = resource({ name: 'perRequest', lifetime: 'request', acquire: () => 'x' })
  using _override = app.override(config, perRequest)
  const error = await rejection(app.run((scope) => scope.get(pool)))
  assert.ok(error instanceof CaptiveDependencyError)
  assert.deepEqual(error.path, ['pool', 'perRequest'])
})

test('a generator can replace a specification, and the other way round', async (t) => {
  const { app, tracker } = setUp(t)
  const generator = resource(async function* generator() {
    yield 'from the generator'
    tracker.events.push('generator ended')
  })
  const spec = resource({
    name: 'spec',
    acquire: () => 'from the specification',
    release: () => tracker.events.push('specification released'),
  })
  for (const [original, replacement] of [
    [generator, spec],
    [spec, generator],
  ] as const) {
    const overrides = [override(original, replacement)]
    const seen = await app.run({ overrides }, (scope) => scope.get(original))
    assert.equal(seen, replacement === spec ? 'from the specification' : 'from the generator')
  }
  assert.deepEqual(tracker.events, ['specification released', 'generator ended'])
})

test('leaving the block of app.override restores the original', async (t) => {
  const { app, tracker } = setUp(t)
  const original = tracker.resource('original')
  const seen = async (): Promise<string> => (await app.run((scope) => scope.get(original))).name
  {
    using _override = app.override(original, tracker.resource('fake'))
    assert.equal(await seen(), 'fake')
    {
      using _inner = app.override(original, tracker.resource('inner'))
      assert.equal(await seen(), 'inner')
    }
    assert.equal(await seen(), 'fake')
  }
  assert.equal(await seen(), 'original')
})

test('an override that is disposed twice, or out of order, takes back only itself', async (t) => {
  const { app, tracker } = setUp(t)
  const original = tracker.resource('original')
  const seen = async (): Promise<string> => (await app.run((scope) => scope.get(original))).name
  const first = app.override(original, tracker.resource('first'))
  const second = app.override(original, tracker.resource('second'))
  first[Symbol.dispose]()
  first[Symbol.dispose]()
  assert.equal(await seen(), 'second')
  second[Symbol.dispose]()
  assert.equal(await seen(), 'original')
})

test('an app resource that replaced another stays until the app closes, and the original comes back before', async (t) => {
  const { app, tracker } = setUp(t)
  const original = tracker.resource('original', { lifetime: 'app' })
  {
    using _override = app.override(original, tracker.resource('fake'))
    await app.get(original)
  }
  assert.equal((await app.get(original)).name, 'original')
  assert.deepEqual(tracker.held, ['fake', 'original'])
  await app.close()
  assert.deepEqual(tracker.held, [])
})

for (const [what, given] of [
  ['a resource', resource({ acquire: () => 1 })],
  ['null', null],
  ['a pair', [resource({ acquire: () => 1 }), value(1)]],
] as const) {
  test(`overrides refuse ${what}, and name what they expect`, async (t) => {
    const { app } = setUp(t)
    const overrides = [given] as never
    const pattern = { name: 'TypeError', message: /`overrides`.*override\(\)/ }
    assert.throws(() => createApp({ overrides }), pattern)
    assert.throws(() => app.child({ overrides }), pattern)
    await assert.rejects(
      app.run({ overrides }, () => 1),
      pattern,
    )
    assert.deepEqual(app.inspect().children, [])
  })
}

test('override refuses what is no resource', (t) => {
  const { app } = setUp(t)
  const real = value(1)
  assert.throws(() => override({} as never, real), TypeError)
  assert.throws(() => override(real, undefined as never), TypeError)
  assert.throws(() => app.override(real, 1 as never), TypeError)
})

test('overrides may come from any iterable, and undefined counts as none', async (t) => {
  const { app } = setUp(t)
  const original = resource({ acquire: () => 'original' })
  function* pairs() {
    yield override(original, value('fake'))
  }
  assert.equal(await app.run({ overrides: pairs() }, (scope) => scope.get(original)), 'fake')
  const overrides = new Set([override(original, value('set'))])
  assert.equal(await app.run({ overrides }, (scope) => scope.get(original)), 'set')
})

test('restoring an override twice takes back no other one, also where both are by the same input', async (t) => {
  const { app } = setUp(t)
  const original = value('original')
  const user = input<string>('user')
  const first = app.override(original, user)
  app.override(original, user)
  first[Symbol.dispose]()
  first[Symbol.dispose]()
  app.provide(user, 'provided')
  assert.equal(await app.get(original), 'provided')
})
