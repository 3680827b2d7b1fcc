/** In which order things are released. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setUp } from './support/app.ts'
import { isPending, quiet, within } from './support/promises.ts'

test('resources are released in reverse order of acquisition', async (t) => {
  const { app, tracker } = setUp(t)
  const [a, b, c] = [tracker.resource('a'), tracker.resource('b'), tracker.resource('c')]
  await app.run(async (scope) => {
    await scope.get(a)
    await scope.get(b)
    await scope.get(c)
  })
  assert.deepEqual(tracker.events, ['+a', '+b', '+c', '-c', '-b', '-a'])
})

test('resources acquired side by side are released in reverse order of completion, not of start', async (t) => {
  const { app, tracker } = setUp(t)
  const gates = {
    first: Promise.withResolvers<void>(),
    second: Promise.withResolvers<void>(),
    third: Promise.withResolvers<void>(),
  }
  const first = tracker.resource('first', { onAcquire: () => gates.first.promise })
  const second = tracker.resource('second', { onAcquire: () => gates.second.promise })
  const third = tracker.resource('third', { onAcquire: () => gates.third.promise })
  await app.run(async (scope) => {
    const all = Promise.all([scope.get(first), scope.get(second), scope.get(third)])
    for (const name of ['second', 'third', 'first'] as const) {
      gates[name].resolve()
      await quiet()
    }
    await all
  })
  assert.deepEqual(tracker.events, ['+second', '+third', '+first', '-first', '-third', '-second'])
})

test('each release is awaited before the next one starts', async (t) => {
  const { app, tracker } = setUp(t)
  const gate = Promise.withResolvers<void>()
  const outer = tracker.resource('outer', { onRelease: () => tracker.events.push('outer starts') })
  const inner = tracker.resource('inner', { onRelease: () => gate.promise })
  const running = app.run(async (scope) => {
    await scope.get(outer)
    await scope.get(inner)
  })
  assert.equal(await isPending(running), true)
  assert.deepEqual(tracker.events, ['+outer', '+inner'])
  gate.resolve()
  await within(running)
  assert.deepEqual(tracker.events.slice(2), ['-inner', 'outer starts', '-outer'])
})

test('get, use, adopt and defer share one order', async (t) => {
  const { app, tracker } = setUp(t)
  const { events } = tracker
  const a = tracker.resource('a')
  await app.run(async (scope) => {
    scope.defer(() => events.push('deferred'))
    await scope.get(a)
    scope.use(tracker.disposable('b'))
    scope.adopt(tracker.acquire('c'), (value, exit) => tracker.release(value, exit))
  })
  assert.deepEqual(events, ['+a', '+b', '+c', '-c', '-b', '-a', 'deferred'])
})

test('a dependency is released after its dependent, although its acquisition started later', async (t) => {
  const { app, tracker } = setUp(t)
  const a = tracker.resource('a')
  const b = tracker.resource('b', { onAcquire: ({ get }) => get(a) })
  await app.run((scope) => scope.get(b))
  assert.deepEqual(tracker.events, ['+a', '+b', '-b', '-a'])
})

test('the release of a dependent can still use its dependency', async (t) => {
  const { app, tracker } = setUp(t)
  const connection = tracker.resource('connection')
  const transaction = tracker.resource('transaction', {
    onAcquire: ({ get }) => get(connection),
    onRelease: async () => {
      const [held] = tracker.find('connection')
      await quiet()
      tracker.use(held)
      tracker.events.push('commit')
    },
  })
  await app.run((scope) => scope.get(transaction))
  assert.deepEqual(tracker.events, [
    '+connection',
    '+transaction',
    'commit',
    '-transaction',
    '-connection',
  ])
})

test('a release function can still get what its scope has not released yet', async (t) => {
  const { app, tracker } = setUp(t)
  const connection = tracker.resource('connection')
  await app.run(async (scope) => {
    const held = await scope.get(connection)
    scope.defer(async () => {
      assert.equal(await scope.get(connection), held)
      tracker.events.push('deferred')
    })
  })
  assert.deepEqual(tracker.events, ['+connection', 'deferred', '-connection'])
})

test('every child scope is closed before a resource of the scope, even one acquired after the child was opened', async (t) => {
  const { app, tracker } = setUp(t)
  const pool = tracker.resource('pool', { lifetime: 'app' })
  const lease = tracker.resource('lease')
  const request = app.child()
  await request.get(lease)
  await app.get(pool)
  await app.close()
  assert.deepEqual(tracker.events, ['+lease', '+pool', '-lease', '-pool'])
  assert.equal(request.state, 'closed')
})

test('open child scopes are closed newest first, one at a time', async (t) => {
  const { app, tracker } = setUp(t)
  const gate = Promise.withResolvers<void>()
  const parent = app.child()
  const [older, newer] = [parent.child(), parent.child()]
  older.defer(() => tracker.events.push('older'))
  newer.defer(async () => {
    await gate.promise
    tracker.events.push('newer')
  })
  parent.defer(() => tracker.events.push('parent'))
  const closing = parent.close()
  assert.equal(await isPending(closing), true)
  assert.deepEqual(tracker.events, [])
  gate.resolve()
  await within(closing)
  assert.deepEqual(tracker.events, ['newer', 'older', 'parent'])
})

test('grandchildren are closed before their parents', async (t) => {
  const { app, tracker } = setUp(t)
  const names = ['request', 'block', 'inner']
  let scope = app.child()
  for (const name of names) {
    scope.defer(() => tracker.events.push(name))
    scope = scope.child()
  }
  await app.close()
  assert.deepEqual(tracker.events, ['inner', 'block', 'request'])
})

test('a nested run that nobody awaited has ended before a resource is released', async (t) => {
  const { app, tracker } = setUp(t)
  const gate = Promise.withResolvers<void>()
  const connection = tracker.resource('connection')
  const running = app.run(async (scope) => {
    const held = await scope.get(connection)
    void scope.run(async (inner) => {
      inner.defer(() => tracker.use(held))
      await gate.promise
      tracker.use(held)
      tracker.events.push('nested body')
    })
  })
  assert.equal(await isPending(running), true)
  gate.resolve()
  await within(running)
  assert.deepEqual(tracker.events, ['+connection', 'nested body', '-connection'])
})

test('a finalizer registered by a finalizer runs next', async (t) => {
  const { app, tracker } = setUp(t)
  const { events } = tracker
  await app.run((scope) => {
    scope.defer(() => events.push('outer'))
    scope.defer(async () => {
      await quiet()
      scope.defer(() => events.push('registered first'))
      scope.use({ [Symbol.dispose]: () => void events.push('registered last') })
      events.push('registering')
    })
  })
  assert.deepEqual(events, ['registering', 'registered last', 'registered first', 'outer'])
})

test('the last finalizer can still register one', async (t) => {
  const { app, tracker } = setUp(t)
  await app.run((scope) => {
    scope.defer(() => scope.defer(() => tracker.events.push('added')))
  })
  assert.deepEqual(tracker.events, ['added'])
})

test('sync and async disposables mix in one order', async (t) => {
  const { app, tracker } = setUp(t)
  const { events } = tracker
  await app.run((scope) => {
    scope.use({ [Symbol.dispose]: () => void events.push('sync 1') })
    scope.use(tracker.disposable('async'))
    scope.use({ [Symbol.dispose]: () => void events.push('sync 2') })
  })
  assert.deepEqual(events, ['+async', 'sync 2', '-async', 'sync 1'])
})
