/** Looking in: `inspect` gives the tree of what is open, what it holds, since when, and what it waits for. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { createApp, resource, value, type ScopeSnapshot } from 'unwind'
import { setUp } from '../support/app.ts'
import { quiet, rejection } from '../support/promises.ts'

/** Without what differs from run to run. */
function shape(snapshot: ScopeSnapshot): unknown {
  return {
    name: snapshot.name,
    kind: snapshot.kind,
    state: snapshot.state,
    aborted: snapshot.aborted,
    tasks: snapshot.tasks,
    resources: snapshot.resources.map(
      ({ name, lifetime, state }) => `${name} ${lifetime} ${state}`,
    ),
    children: snapshot.children.map(shape),
  }
}

test('inspect gives the tree, newest first, with everything that is held', async (t) => {
  const { app, tracker } = setUp(t)
  await app.get(tracker.resource('pool', { lifetime: 'app' }))
  const request = app.child({ name: 'checkout' })
  await request.get(tracker.resource('lease'))
  await request.get(tracker.resource('part', { lifetime: 'transient' }))
  request.use(tracker.disposable('file'))
  request.adopt(1, function socket() {})
  request.defer(() => {})
  request.child({ name: 'older' })
  const newer = request.child({ name: 'newer' })
  newer.abort()
  const leaf = { kind: 'scope', state: 'open', tasks: 0, resources: [], children: [] }
  assert.deepEqual(shape(app.inspect()), {
    name: 'app',
    kind: 'app',
    state: 'open',
    aborted: false,
    tasks: 0,
    resources: ['pool app open'],
    children: [
      {
        name: 'checkout',
        kind: 'request',
        state: 'open',
        aborted: false,
        tasks: 0,
        resources: [
          'a deferred callback value open',
          'socket value open',
          'Object value open',
          'part transient open',
          'lease request open',
        ],
        children: [
          { name: 'newer', aborted: true, ...leaf },
          { name: 'older', aborted: false, ...leaf },
        ],
      },
    ],
  })
})

test('what has no name, neither its value nor its function, is called by how the scope got it', (t) => {
  const { app } = setUp(t)
  const scope = app.child()
  const disposer = ((): (() => void) => () => {})()
  scope.use(Object.assign(Object.create(null), { [Symbol.dispose]: disposer }))
  scope.adopt(7, () => {})
  scope.defer(() => {})
  assert.deepEqual(
    scope.inspect().resources.map(({ name }) => name),
    ['a deferred callback', 'an adopted value', 'a disposable'],
  )
})

test('what is on its way is acquiring, what is being given back releasing', async (t) => {
  const { app } = setUp(t)
  const gates = { acquire: Promise.withResolvers<void>(), release: Promise.withResolvers<void>() }
  const lease = resource({
    name: 'lease',
    acquire: () => gates.acquire.promise,
    release: () => gates.release.promise,
  })
  const states = (): string[] => scope.inspect().resources.map(({ state }) => state)
  const scope = app.child()
  const getting = scope.get(lease)
  assert.deepEqual(states(), ['acquiring'])
  gates.acquire.resolve()
  await getting
  assert.deepEqual(states(), ['open'])
  const closing = scope.close()
  await quiet()
  assert.deepEqual(states(), ['releasing'])
  assert.equal(scope.inspect().state, 'closing')
  gates.release.resolve()
  await closing
  assert.deepEqual(states(), [])
  assert.equal(scope.inspect().state, 'closed')
})

test('what needs no release is shown after what is released, newest first', async (t) => {
  const { app, tracker } = setUp(t)
  const scope = app.child()
  const user = resource({ name: 'user', acquire: () => ({ id: 1 }) })
  const lease = tracker.resource('lease')
  const alias = resource({ name: 'alias', acquire: ({ get }) => get(lease) })
  const many = Array.from({ length: 8 }, (_, i) =>
    resource({ name: `part ${i}`, acquire: () => i }),
  )
  const names = (): string[] => scope.inspect().resources.map(({ name }) => name)
  await scope.get(user)
  await scope.get(alias)
  assert.deepEqual(names(), ['lease', 'alias', 'user'])
  for (const part of many) await scope.get(part)
  const parts = many.map((_, i) => `part ${i}`).toReversed()
  assert.deepEqual(names(), ['lease', ...parts, 'alias', 'user'])
  const [, part] = scope.inspect().resources
  assert.deepEqual([part?.lifetime, part?.state], ['request', 'open'])
  await scope.close()
  assert.deepEqual(names(), [])
})

test('ages and hold times are milliseconds, and never less than has passed', async (t) => {
  const { app, tracker } = setUp(t)
  // Until then an earlier reading of the clock may be used: what forgets it comes in the same turn, and before this.
  await nextTurn()
  const began = performance.now()
  const scope = app.child()
  await scope.get(tracker.resource('lease'))
  const held = performance.now()
  await sleep(20)
  const least = performance.now() - held
  const { ageMs, resources } = scope.inspect()
  const most = performance.now() - began + 1
  for (const ms of [ageMs, resources[0]?.heldMs ?? 0]) {
    assert.ok(ms >= least && ms <= most, `${least} ≤ ${ms} ≤ ${most}`)
  }
})

test('the clock goes on while many scopes are opened in each turn of the event loop, and after that', async (t) => {
  const { app } = setUp(t)
  const began = performance.now()
  let [before, last] = [began, began]
  while (last - began < 100) {
    ;[before, last] = [last, performance.now()]
    for (let one = 0; one < 100; one += 1) await app.child().close()
    await nextTurn()
  }
  const scopes = [app.child()]
  await sleep(10)
  scopes.push(app.child())
  const ages = scopes.map((scope) => scope.inspect().ageMs)
  // A reading is as old as its turn, and whole milliseconds.
  const most = performance.now() - before + 1
  assert.ok(
    ages.every((age) => age >= 0 && age <= most),
    `${ages.join(', ')} ≤ ${most}`,
  )
})

test('tasks are counted', async (t) => {
  const { app } = setUp(t)
  await app.run(async (scope) => {
    const gate = Promise.withResolvers<void>()
    void scope.fork(() => gate.promise)
    const all = scope.all([() => gate.promise, () => gate.promise])
    assert.equal(scope.inspect().tasks, 3)
    gate.resolve()
    await all
  })
})

test('values that belong to somebody else, failed acquisitions and inputs are not held', async (t) => {
  const { app } = setUp(t)
  await app.run(async (scope) => {
    await scope.get(value(1))
    await rejection(scope.get(resource({ acquire: () => Promise.reject(new Error('A')) })))
    assert.deepEqual(scope.inspect().resources, [])
  })
})

test('a snapshot is a copy: what happens later does not change it, and it is plain JSON', async (t) => {
  const { app } = setUp(t)
  const scope = app.child({ name: 'job' })
  const snapshot = app.inspect()
  await scope.close()
  assert.equal(snapshot.children.length, 1)
  assert.deepEqual(JSON.parse(JSON.stringify(snapshot)), snapshot)
  assert.deepEqual(app.inspect().children, [])
})

test('the snapshot says which scope it is of', async () => {
  await using app = createApp({ name: 'shop' })
  const scope = app.child()
  assert.equal(app.inspect().name, 'shop')
  assert.equal(scope.inspect().id, scope.id)
  assert.deepEqual(
    app.inspect().children.map(({ id }) => id),
    [scope.id],
  )
})

test('a scope that somebody writes into a log is its snapshot', async (t) => {
  const { app, tracker } = setUp(t)
  const scope = app.child({ name: 'checkout' })
  await scope.get(tracker.resource('lease'))
  scope.child()
  const written = JSON.parse(JSON.stringify({ scope })) as { scope: ScopeSnapshot }
  assert.deepEqual(shape(written.scope), shape(scope.inspect()))
})
