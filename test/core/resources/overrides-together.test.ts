/** Replacements of one scope, of others, of each other, and of what is in use. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  CircularDependencyError,
  override,
  resource,
  value,
  type AcquireContext,
  type Resource,
} from 'unwind'
import { setUp } from '../support/app.ts'
import { quiet, rejection, thrown } from '../support/promises.ts'
import type { Tracked } from '../support/tracker.ts'

test('the overrides of one scope are not seen by those beside it or above it', async (t) => {
  const { app, tracker } = setUp(t)
  const original = tracker.resource('original')
  const fake = tracker.resource('fake')
  const gate = Promise.withResolvers<void>()
  const ask = (overrides: Parameters<typeof override<Tracked>>[1][]): Promise<string> =>
    app.run({ overrides: overrides.map((one) => override(original, one)) }, async (scope) => {
      await gate.promise
      return (await scope.get(original)).name
    })
  const seen = Promise.all([ask([]), ask([fake]), ask([])])
  gate.resolve()
  assert.deepEqual(await seen, ['original', 'fake', 'original'])
})

test('what a scope replaced is owned by that scope, although the original lives as long as the app', async (t) => {
  const { app, tracker } = setUp(t)
  const pool = tracker.resource('pool', { lifetime: 'app' })
  const fake = tracker.resource('fake')
  const client = tracker.resource('client', { onAcquire: ({ get }) => get(pool) })
  await app.run({ overrides: [override(pool, fake)] }, (scope) => scope.get(client))
  assert.deepEqual(tracker.events, ['+fake', '+client', '-client', '-fake'])
})

test('an override of a nested scope applies below it alone', async (t) => {
  const { app, tracker } = setUp(t)
  const lease = tracker.resource('lease')
  const fake = tracker.resource('fake')
  await app.run(async (request) => {
    const own = await request.get(lease)
    await request.run({ overrides: [override(lease, fake)] }, async (block) => {
      assert.equal((await block.get(lease)).name, 'fake')
      await block.run(async (inner) => {
        assert.equal(await inner.get(lease), await block.get(lease))
      })
    })
    assert.equal(await request.get(lease), own)
  })
  assert.deepEqual(tracker.events, ['+lease', '+fake', '-fake', '-lease'])
})

type Reach = (context: AcquireContext, original: Resource<string>) => Promise<string>
const reaches: Record<string, Reach> = {
  'context.get': ({ get }, original) => get(original),
  'context.scope.get': ({ scope }, original) => scope.get(original),
}

for (const [name, reach] of Object.entries(reaches)) {
  test(`a decorating override has the original from ${name}, not itself`, async (t) => {
    const { app, tracker } = setUp(t)
    const original = resource(async function* original() {
      yield 'original'
      tracker.events.push('original released')
    })
    const louder = resource(async function* louder(context: AcquireContext) {
      await quiet()
      yield `${await reach(context, original)}!`
      tracker.events.push('decorator released')
    })
    using _override = app.override(original, louder)
    assert.equal(await app.run((scope) => scope.get(original)), 'original!')
    assert.deepEqual(tracker.events, ['decorator released', 'original released'])
  })
}

test('decorating overrides of an app and of a scope are stacked', async (t) => {
  const { app } = setUp(t)
  const original = resource({ name: 'original', acquire: () => 'o' })
  const around = (mark: string): Resource<string> =>
    resource({ name: mark, acquire: async ({ get }) => `${mark}(${await get(original)})` })
  using _override = app.override(original, around('app'))
  const overrides = [override(original, around('scope'))]
  assert.equal(await app.run({ overrides }, (scope) => scope.get(original)), 'scope(app(o))')
  assert.equal(await app.run((scope) => scope.get(original)), 'app(o)')
})

test('replacements that need each other are a circle', async (t) => {
  const { app } = setUp(t)
  const a = resource({ name: 'a', acquire: () => 1 })
  const b = resource({ name: 'b', acquire: () => 2 })
  const forA = resource({ name: 'forA', acquire: ({ get }) => get(b) })
  const forB = resource({ name: 'forB', acquire: async ({ get }) => (await get(forC)) + 1 })
  const forC: Resource<number> = resource({ name: 'forC', acquire: ({ get }) => get(d) })
  const d: Resource<number> = resource({ name: 'd', acquire: ({ get }) => get(forC) })
  using _a = app.override(a, forA)
  using _b = app.override(b, forB)
  const error = await rejection(app.run((scope) => scope.get(a)))
  assert.ok(error instanceof CircularDependencyError)
  assert.deepEqual(error.path, ['forC', 'd', 'forC'])
})

test('one replacement can stand for several resources, each with an instance of its own', async (t) => {
  const { app, tracker } = setUp(t)
  const primary = tracker.resource('primary')
  const replica = tracker.resource('replica')
  const fake = tracker.resource('fake')
  const overrides = [override(primary, fake), override(replica, fake)]
  await app.run({ overrides }, async (scope) => {
    assert.notEqual(await scope.get(primary), await scope.get(replica))
    assert.equal(await scope.get(primary), await scope.get(primary))
  })
})

test('overriding what the app has acquired already throws, and says what to do instead', async (t) => {
  const { app, tracker } = setUp(t)
  const pool = tracker.resource('pool', { lifetime: 'app' })
  await app.get(pool)
  const error = thrown(() => app.override(pool, tracker.resource('fake')))
  assert.ok(error instanceof TypeError)
  assert.match(error.message, /"pool".*createApp\(\{ overrides: /)
})

test('overriding what is being acquired throws too, and so does replacing a replacement in use', async (t) => {
  const { app, tracker } = setUp(t)
  const slow = tracker.resource('slow', { lifetime: 'app', onAcquire: quiet })
  const getting = app.get(slow)
  assert.throws(() => app.override(slow, tracker.resource('fake')), TypeError)
  await getting
  const other = tracker.resource('other', { lifetime: 'app' })
  using _override = app.override(other, tracker.resource('first'))
  await app.get(other)
  assert.throws(() => app.override(other, tracker.resource('second')), TypeError)
})

test('a failed acquisition does not stand in the way of an override', async (t) => {
  const { app, tracker } = setUp(t)
  const broken = resource<string>({
    name: 'broken',
    lifetime: 'app',
    acquire: () => Promise.reject(new Error('A')),
  })
  await rejection(app.get(broken))
  using _override = app.override(broken, value('fake'))
  assert.equal(await app.get(broken), 'fake')
  assert.deepEqual(tracker.events, [])
})
