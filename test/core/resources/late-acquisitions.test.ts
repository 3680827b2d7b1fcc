/** Scopes that are aborted or closed while something is on its way to them: who is told what, and where it goes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AcquireTimeoutError, resource, ScopeClosedError } from 'unwind'
import { setUp, taken, type Fixture } from '../support/app.ts'
import { isPending, quiet, rejection, within } from '../support/promises.ts'
import type { Tracked, TrackedOptions } from '../support/tracker.ts'
import type { Resource } from 'unwind'

const R = new Error('R')
const B = new Error('B')

/** A resource that arrives when the test says so, whatever the signal says. */
function slow(
  { tracker }: Fixture,
  options: TrackedOptions = {},
): { lease: Resource<Tracked>; arrive: () => void; refuse: (error: unknown) => void } {
  const gate = Promise.withResolvers<void>()
  const lease = tracker.resource('lease', { ...options, onAcquire: () => gate.promise })
  return { lease, arrive: gate.resolve, refuse: gate.reject }
}

test('an abort while something is acquired rejects get at once, and a late value is released as aborted before close settles', async (t) => {
  const fixture = setUp(t)
  const { app, tracker } = fixture
  const { lease, arrive } = slow(fixture)
  const scope = app.child()
  const getting = rejection(scope.get(lease))
  scope.abort(R)
  assert.equal(await getting, R)
  const closing = scope.close()
  assert.equal(await isPending(closing), true)
  arrive()
  await within(closing)
  assert.deepEqual(tracker.events, ['+lease', '-lease'])
  assert.deepEqual(tracker.exits, ['lease: aborted(R)'])
})

test('a late value is released at once, not when the scope closes', async (t) => {
  const fixture = setUp(t)
  const { app, tracker } = fixture
  const { lease, arrive } = slow(fixture)
  const scope = app.child()
  const getting = rejection(scope.get(lease))
  scope.abort(R)
  await getting
  arrive()
  await quiet()
  assert.equal(scope.state, 'open')
  assert.deepEqual(tracker.events, ['+lease', '-lease'])
})

test('an acquisition is given the signal, and one that ends with it leaves nothing', async (t) => {
  const { app } = setUp(t)
  const listening = resource({
    acquire: ({ signal }) =>
      new Promise<never>((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
      }),
  })
  const scope = app.child()
  const getting = rejection(scope.get(listening))
  scope.abort(R)
  assert.equal(await getting, R)
  await within(scope.close())
})

test('an acquisition that fails of its own after the abort is reported', async (t) => {
  const fixture = setUp(t)
  const { lease, refuse } = slow(fixture)
  const scope = fixture.app.child({ name: 'upload' })
  const getting = rejection(scope.get(lease))
  scope.abort(R)
  assert.equal(await getting, R)
  const refused = new Error('refused')
  refuse(refused)
  await within(scope.close())
  assert.deepEqual(fixture.unthrown.splice(0), [
    { error: refused, scope: 'upload', resource: 'lease', late: true },
  ])
})

test('nothing new is acquired in an aborted scope, and what is there can still be had', async (t) => {
  const { app, tracker } = setUp(t)
  const lease = tracker.resource('lease')
  const scope = app.child()
  const held = await scope.get(lease)
  scope.abort(R)
  assert.equal(await rejection(scope.get(tracker.resource('other'))), R)
  assert.equal(await scope.get(lease), held)
  assert.equal(tracker.count('other'), 0)
})

test("a scope's abort ends its own wait for what an ancestor acquires, and nobody else's", async (t) => {
  const fixture = setUp(t)
  const { app, tracker } = fixture
  const { lease, arrive } = slow(fixture)
  const request = app.child()
  const [leaving, staying] = [request.child(), request.child()]
  const left = rejection(leaving.get(lease))
  const stayed = staying.get(lease)
  leaving.abort(R)
  assert.equal(await left, R)
  assert.equal(await isPending(stayed), true)
  arrive()
  assert.equal((await within(stayed)).name, 'lease')
  assert.equal(request.signal.aborted, false)
  await request.close()
  assert.deepEqual(tracker.events, ['+lease', '-lease'])
})

test('a scope that closes ends its own wait for what an ancestor acquires, and does not wait for that', async (t) => {
  const fixture = setUp(t)
  const { lease, arrive } = slow(fixture)
  const request = fixture.app.child()
  const child = request.child()
  const getting = rejection(child.get(lease))
  await within(child.close())
  assert.ok((await getting) instanceof ScopeClosedError)
  arrive()
  assert.equal((await request.get(lease)).name, 'lease')
})

test('an app whose pool never opens can still be closed once its requests are told', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const { app } = setUp(t)
  const pool = resource({
    name: 'pool',
    lifetime: 'app',
    acquireTimeout: 20,
    acquire: () => new Promise<never>(() => {}),
  })
  const running = rejection(app.run((scope) => scope.get(pool)))
  await quiet()
  const closing = within(app.close())
  await quiet()
  t.mock.timers.tick(20)
  t.mock.timers.reset()
  await closing
  assert.equal(((await running) as { code?: unknown }).code, 'ERR_SHUTDOWN')
})

test('an abort does not cut an async generator in its acquire phase: it arrives, sees the reason at its yield, and ends', async (t) => {
  const { app, tracker } = setUp(t)
  const gate = Promise.withResolvers<void>()
  const seen: unknown[] = []
  const generator = resource(async function* () {
    await using _guard = tracker.disposable('guard')
    await gate.promise
    try {
      yield 1
    } catch (error) {
      seen.push(error)
      throw error
    }
  })
  const scope = app.child()
  const getting = rejection(scope.get(generator))
  scope.abort(R)
  assert.equal(await getting, R)
  await quiet()
  assert.deepEqual(tracker.held, ['guard'])
  gate.resolve()
  await within(scope.close())
  assert.deepEqual(seen, [R])
  assert.deepEqual(tracker.held, [])
})

test('closing a scope while something is acquired waits for that and releases it, and get rejects with ScopeClosedError', async (t) => {
  const fixture = setUp(t)
  const { app, tracker } = fixture
  const { lease, arrive } = slow(fixture)
  const scope = app.child()
  await scope.get(tracker.resource('outer'))
  const getting = rejection(scope.get(lease))
  scope.complete()
  const closing = scope.close()
  assert.ok((await getting) instanceof ScopeClosedError)
  assert.equal(await isPending(closing), true)
  arrive()
  await within(closing)
  assert.deepEqual(tracker.events, ['+outer', '+lease', '-lease', '-outer'])
  assert.deepEqual(tracker.exits, ['lease: success', 'outer: success'])
})

test("a value that arrives after the body failed is released with the scope's outcome", async (t) => {
  const fixture = setUp(t)
  const { lease, arrive } = slow(fixture)
  const running = rejection(
    fixture.app.run((scope) => {
      void scope.get(lease)
      throw B
    }),
  )
  await quiet()
  arrive()
  assert.equal(await running, B)
  assert.deepEqual(fixture.tracker.exits, ['lease: failure(B)'])
})

test('an acquisition that fails after its scope began to close is reported', async (t) => {
  const fixture = setUp(t)
  const { lease, refuse } = slow(fixture)
  const scope = fixture.app.child()
  const getting = rejection(scope.get(lease))
  const closing = scope.close()
  assert.ok((await getting) instanceof ScopeClosedError)
  refuse(new Error('refused'))
  await within(closing)
  assert.deepEqual(taken(fixture.unthrown), ['refused'])
})

test('an acquisition that asks for more while its scope closes is refused, and what it had is released', async (t) => {
  const { app, tracker } = setUp(t)
  const gate = Promise.withResolvers<void>()
  const [first, second] = [tracker.resource('first'), tracker.resource('second')]
  const refusals: unknown[] = []
  const needy = resource({
    name: 'needy',
    acquire: async ({ get }) => {
      await get(first)
      await gate.promise
      refusals.push(await rejection(get(second)))
      return {}
    },
  })
  const scope = app.child()
  const getting = rejection(scope.get(needy))
  await quiet()
  const closing = scope.close()
  await getting
  gate.resolve()
  await within(closing)
  assert.ok(refusals[0] instanceof ScopeClosedError)
  assert.deepEqual(tracker.events, ['+first', '-first'])
})

test('an acquisition that exceeds its timeout rejects, and its late value is released, not leaked', async (t) => {
  const fixture = setUp(t)
  const { app, tracker } = fixture
  const { lease, arrive } = slow(fixture, { acquireTimeout: 10 })
  await app.run(async (scope) => {
    const both = await Promise.all([rejection(scope.get(lease)), rejection(scope.get(lease))])
    assert.equal(both[0], both[1])
    const [error] = both
    assert.ok(error instanceof AcquireTimeoutError)
    assert.equal(error.code, 'ERR_ACQUIRE_TIMEOUT')
    assert.equal(error.resource, 'lease')
    assert.equal(error.timeoutMs, 10)
    assert.match(error.message, /"lease".*acquireTimeout of 10 ms/)
    arrive()
    await quiet()
    assert.deepEqual(tracker.events, ['+lease', '-lease'])
  })
  assert.match(tracker.exits[0] ?? '', /^lease: failure\(Acquiring "lease"/)
})

test('a value that arrives after its timeout and after its scope closed is released too', async (t) => {
  const fixture = setUp(t)
  const { lease, arrive } = slow(fixture, { acquireTimeout: 5 })
  const running = fixture.app.run((scope) => scope.get(lease))
  assert.ok((await rejection(running)) instanceof AcquireTimeoutError)
  assert.deepEqual(fixture.tracker.events, [])
  arrive()
  await quiet()
  assert.deepEqual(fixture.tracker.events, ['+lease', '-lease'])
})

test('after a timeout the next get tries again', async (t) => {
  const { app, tracker } = setUp(t)
  let tries = 0
  const late = Promise.withResolvers<void>()
  const lease = tracker.resource('lease', {
    acquireTimeout: 10,
    onAcquire: () => (++tries === 1 ? late.promise : undefined),
  })
  await app.run(async (scope) => {
    assert.ok((await rejection(scope.get(lease))) instanceof AcquireTimeoutError)
    const second = await scope.get(lease)
    late.resolve()
    await quiet()
    tracker.use(second)
    assert.equal(await scope.get(lease), second)
  })
})

for (const how of ['abort', 'close'] as const) {
  test(`the wait of close for an acquisition that never ends is bounded by acquireTimeout, after ${how}`, async (t) => {
    const { app } = setUp(t)
    const stuck = resource({ acquireTimeout: 10, acquire: () => new Promise<never>(() => {}) })
    const scope = app.child()
    const getting = rejection(scope.get(stuck))
    if (how === 'abort') scope.abort(R)
    await within(scope.close())
    await getting
  })
}
