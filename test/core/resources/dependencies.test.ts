/** Edges between resources: circles are reported, never waited for. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  CircularDependencyError,
  currentScope,
  inject,
  resource,
  type AcquireContext,
  type App,
  type Resource,
  type Scope,
} from 'unwind'
import { setUp } from '../support/app.ts'
import { quiet, rejection, within } from '../support/promises.ts'

type Edge = (context: AcquireContext, other: Resource<unknown>) => Promise<unknown>

const edges: Record<string, Edge> = {
  'context.get': ({ get }, other) => get(other),
  inject: (_context, other) => inject(other),
  'context.scope.get': ({ scope }, other) => scope.get(other),
  'currentScope().get': (_context, other) => currentScope().get(other),
}

for (const [name, edge] of Object.entries(edges)) {
  test(`a circle through ${name} is reported with its path and never deadlocks`, async (t) => {
    const { app } = setUp(t)
    const a: Resource<unknown> = resource({ name: 'a', acquire: (context) => edge(context, b) })
    const b: Resource<unknown> = resource({
      name: 'b',
      acquire: async (context) => {
        await quiet()
        return await edge(context, c)
      },
    })
    const c: Resource<unknown> = resource({ name: 'c', acquire: (context) => edge(context, a) })
    const error = await rejection(app.run((scope) => scope.get(a)))
    assert.ok(error instanceof CircularDependencyError)
    assert.equal(error.code, 'ERR_CIRCULAR_DEPENDENCY')
    assert.deepEqual(error.path, ['a', 'b', 'c', 'a'])
    assert.match(error.message, /a → b → c → a/)
  })

  test(`${name} gives the dependency its place in the order of release`, async (t) => {
    const { app, tracker } = setUp(t)
    const inner = tracker.resource('inner', { onAcquire: quiet })
    const outer = tracker.resource('outer', { onAcquire: (context) => edge(context, inner) })
    await app.run((scope) => scope.get(outer))
    assert.deepEqual(tracker.events, ['+inner', '+outer', '-outer', '-inner'])
  })
}

test('a circle is found behind what was needed and is there already', async (t) => {
  const { app, tracker } = setUp(t)
  const there = tracker.resource('there')
  const a: Resource<unknown> = resource({
    name: 'a',
    acquire: async ({ get }) => {
      await get(there)
      return await get(b)
    },
  })
  const b: Resource<unknown> = resource({ name: 'b', acquire: ({ get }) => get(a) })
  const error = await rejection(app.run((scope) => scope.get(a)))
  assert.ok(error instanceof CircularDependencyError)
  assert.deepEqual(error.path, ['a', 'b', 'a'])
})

for (const [name, through] of Object.entries({
  'a nested run': (scope: Scope, ask: () => Promise<unknown>) => scope.run(ask),
  'a run in a run': (scope: Scope, ask: () => Promise<unknown>) =>
    scope.run((inner) => inner.run({ name: 'deep' }, ask)),
  'all()': (scope: Scope, ask: () => Promise<unknown>) => scope.all([ask]),
  'all() in a nested run': (scope: Scope, ask: () => Promise<unknown>) =>
    scope.run((inner) => inner.all([ask])),
  'a fork in a nested run': (scope: Scope, ask: () => Promise<unknown>) =>
    scope.run((inner) => inner.fork(ask)),
})) {
  test(`a circle through ${name} inside an acquire function is reported with its path`, async (t) => {
    const { app } = setUp(t)
    const a: Resource<unknown> = resource({
      name: 'a',
      acquire: ({ scope }) => through(scope, () => inject(b)),
    })
    const b: Resource<unknown> = resource({ name: 'b', acquire: ({ get }) => get(a) })
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const getting = app.run((scope) => scope.get(a))
    getting.catch(() => {})
    await quiet()
    t.mock.timers.tick(1_000)
    t.mock.timers.reset()
    const error = await within(rejection(getting))
    assert.ok(error instanceof CircularDependencyError)
    assert.deepEqual(error.path, ['a', 'b', 'a'])
  })

  test(`what a resource needs through ${name} may be needed by others too`, async (t) => {
    const { app, tracker } = setUp(t)
    const shared = tracker.resource('shared', { lifetime: 'app' })
    const one = tracker.resource('one', {
      onAcquire: ({ scope }) => through(scope, () => inject(shared)),
    })
    const two = tracker.resource('two', { onAcquire: ({ get }) => get(shared) })
    await app.run((scope) => Promise.all([scope.get(one), scope.get(two)]))
    assert.equal(tracker.events.filter((event) => event === '+shared').length, 1)
  })
}

const behind: Record<string, (scope: Scope, ask: () => Promise<unknown>) => Promise<unknown>> = {
  'a fork': (scope, ask) => scope.fork(ask),
  'a detached job': (scope, ask) => (scope as App).detach(ask),
  'a run that it does not wait for': (scope, ask) => scope.run(ask),
  'an event that it listens to': (scope, ask) =>
    new Promise((resolve, reject) => {
      setImmediate(() => void scope.run(ask).then(resolve, reject))
    }),
}
for (const [what, ask] of Object.entries(behind)) {
  test(`${what} behind an acquire function may wait for what that acquires, and for what needs that`, async (t) => {
    const { app } = setUp(t)
    const gate = Promise.withResolvers<void>()
    let seen: Promise<unknown> | undefined
    const pool: Resource<{ readonly name: string }> = resource({
      name: 'pool',
      lifetime: 'app',
      async acquire({ scope }) {
        seen = ask(scope, () => Promise.all([inject(pool), inject(needy)]))
        await gate.promise
        return { name: 'pool' }
      },
    })
    const needy = resource({ name: 'needy', lifetime: 'app', acquire: ({ get }) => get(pool) })
    const getting = app.run((scope) => scope.get(pool))
    await quiet()
    gate.resolve()
    const got = await within(getting)
    assert.deepEqual(await seen, [got, got])
  })
}

test('a resource that needs itself is a circle', async (t) => {
  const { app } = setUp(t)
  const self: Resource<unknown> = resource({ name: 'self', acquire: ({ get }) => get(self) })
  const error = await rejection(app.run((scope) => scope.get(self)))
  assert.ok(error instanceof CircularDependencyError)
  assert.deepEqual(error.path, ['self', 'self'])
})

test('a circle of transient resources is reported', async (t) => {
  const { app } = setUp(t)
  const lifetime = 'transient'
  const a: Resource<unknown> = resource({ name: 'a', lifetime, acquire: ({ get }) => get(b) })
  const b: Resource<unknown> = resource({ name: 'b', lifetime, acquire: ({ get }) => get(a) })
  const error = await rejection(app.run((scope) => scope.get(a)))
  assert.ok(error instanceof CircularDependencyError)
  assert.deepEqual(error.path, ['a', 'b', 'a'])
})

test('a circle that two callers close from both ends is reported to at least one, and neither hangs', async (t) => {
  const { app } = setUp(t)
  const gate = Promise.withResolvers<void>()
  const needs = (name: string, other: () => Resource<unknown>): Resource<unknown> =>
    resource({
      name,
      acquire: async ({ get }) => {
        await gate.promise
        return await get(other())
      },
    })
  const a = needs('a', () => b)
  const b = needs('b', () => a)
  await app.run(async (scope) => {
    const both = Promise.allSettled([scope.get(a), scope.get(b)])
    gate.resolve()
    const results = await within(both)
    for (const result of results) {
      assert.equal(result.status, 'rejected')
      assert.ok(result.reason instanceof CircularDependencyError)
    }
  })
})

test('after a circle was reported the resources can be asked for again', async (t) => {
  const { app } = setUp(t)
  let broken = false
  const a: Resource<unknown> = resource({
    name: 'a',
    acquire: ({ get }) => (broken ? 'value' : get(b)),
  })
  const b: Resource<unknown> = resource({ name: 'b', acquire: ({ get }) => get(a) })
  await app.run(async (scope) => {
    assert.ok((await rejection(scope.get(a))) instanceof CircularDependencyError)
    broken = true
    assert.equal(await scope.get(b), 'value')
  })
})

test('concurrent chains that share their links are no circle', async (t) => {
  const { app, tracker } = setUp(t)
  const d = tracker.resource('d', { onAcquire: quiet })
  const c = tracker.resource('c', { onAcquire: ({ get }) => get(d) })
  const b = tracker.resource('b', { onAcquire: ({ get }) => Promise.all([get(c), get(d)]) })
  const a = tracker.resource('a', { onAcquire: ({ get }) => Promise.all([get(d), get(c), get(b)]) })
  await app.run((scope) => Promise.all([a, b, c, d].map((one) => scope.get(one))))
  for (const name of ['a', 'b', 'c', 'd']) assert.equal(tracker.count(name), 1)
})

test('what many ways lead to is looked at once: forty layers of two, all on their way', async (t) => {
  const { app } = setUp(t)
  const gate = Promise.withResolvers<number>()
  const pair = (acquire: (context: AcquireContext) => Promise<unknown>): Resource<unknown>[] => [
    resource({ acquire }),
    resource({ acquire }),
  ]
  let layer = pair(() => gate.promise)
  for (let count = 0; count < 40; count += 1) {
    const below = layer
    layer = pair(({ get }) => Promise.all(below.map((one) => get(one))))
  }
  await app.run((scope) => {
    const top = Promise.all(layer.map((one) => scope.get(one)))
    gate.resolve(1)
    return within(top)
  })
})

test('what the body asks for while something is being acquired is no dependency of that', async (t) => {
  const { app } = setUp(t)
  const gate = Promise.withResolvers<number>()
  const slow = resource({ name: 'slow', acquire: () => gate.promise })
  const dependent = resource({ name: 'dependent', acquire: ({ get }) => get(slow) })
  const values = await within(
    app.run((scope) => {
      const first = scope.get(slow)
      const second = inject(dependent)
      const third = scope.run(() => inject(dependent))
      gate.resolve(7)
      return Promise.all([first, second, third])
    }),
  )
  assert.deepEqual(values, [7, 7, 7])
})

test('the same chain in many requests at once is no circle', async (t) => {
  const { app, tracker } = setUp(t)
  const pool = tracker.resource('pool', { lifetime: 'app', onAcquire: quiet })
  const lease = tracker.resource('lease', { onAcquire: ({ get }) => get(pool) })
  const work = tracker.resource('work', { onAcquire: () => Promise.all([inject(lease), quiet()]) })
  const requests = Array.from({ length: 50 }, () => app.run((scope) => scope.get(work)))
  await within(Promise.all(requests))
  assert.equal(tracker.count('pool'), 1)
  assert.equal(tracker.count('lease'), 50)
})

test('a resource that is open may ask for another of its own kind', async (t) => {
  const { app } = setUp(t)
  const contexts: AcquireContext[] = []
  const job = resource({
    name: 'job',
    lifetime: 'transient',
    acquire: (context) => {
      contexts.push(context)
      return {}
    },
  })
  await app.run(async (scope) => {
    const first = await scope.get(job)
    const second = await contexts[0]?.get(job)
    assert.notEqual(first, second)
  })
})
