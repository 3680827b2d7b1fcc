/** An acquisition that fails after those who asked for it were told something else: its error is lost to nobody. */
import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { test, type TestContext } from 'node:test'
import { AcquireTimeoutError, resource, type App, type Resource, type Scope } from 'unwind'
import { setUp, taken, type Unthrown } from './support/app.ts'
import { quiet, rejection, within } from './support/promises.ts'

const A = new Error('A')
const R = new Error('R')

interface Failing {
  readonly app: App
  readonly unthrown: Unthrown[]
  readonly pool: Resource<object>
  readonly refuse: (error: unknown) => void
}

/** An app resource whose acquisition fails when the test says so. */
function failing(t: TestContext): Failing {
  const { app, unthrown } = setUp(t)
  const gate = Promise.withResolvers<object>()
  const pool = resource({ name: 'pool', lifetime: 'app', acquire: () => gate.promise })
  return { app, unthrown, pool, refuse: gate.reject }
}

/** Ways to be told something else than what the acquisition comes to: R. */
const leaving: Record<string, (scope: Scope, pool: Resource<object>) => Promise<object>> = {
  'the signal of its caller': (scope, pool) => {
    const caller = new AbortController()
    const getting = scope.get(pool, { signal: caller.signal })
    caller.abort(R)
    return getting
  },
  'an abort of its scope': (scope, pool) => {
    const request = scope.child()
    const getting = request.get(pool)
    request.abort(R)
    return getting
  },
}

for (const [how, leave] of Object.entries(leaving)) {
  test(`what fails after ${how} is reported, once for all who left`, async (t) => {
    const { app, unthrown, pool, refuse } = failing(t)
    const scope = app.child()
    assert.equal(await rejection(leave(scope, pool)), R)
    assert.equal(await rejection(leave(scope, pool)), R)
    refuse(A)
    await quiet()
    const [report, ...others] = unthrown.splice(0)
    assert.deepEqual(others, [])
    assert.deepEqual(report, { error: A, scope: 'app', resource: 'pool', late: true })
  })

  test(`what fails after ${how} is for those who still wait`, async (t) => {
    const { app, unthrown, pool, refuse } = failing(t)
    const scope = app.child()
    const left = rejection(leave(scope, pool))
    const staying = rejection(scope.get(pool))
    const leftLater = rejection(leave(scope, pool))
    refuse(A)
    assert.deepEqual(await Promise.all([left, staying, leftLater]), [R, A, R])
    await quiet()
    assert.deepEqual(taken(unthrown), [])
  })

  test(`an acquireTimeout that passes after ${how} is reported as any failure is`, async (t) => {
    const { app, unthrown } = setUp(t)
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const acquire = (): Promise<object> => new Promise(() => {})
    const pool = resource({ name: 'pool', lifetime: 'app', acquireTimeout: 10, acquire })
    const scope = app.child()
    assert.equal(await rejection(leave(scope, pool)), R)
    assert.equal(await rejection(leave(scope, pool)), R)
    t.mock.timers.tick(10)
    t.mock.timers.reset()
    await quiet()
    const [report, ...others] = unthrown.splice(0)
    assert.deepEqual(others, [])
    assert.ok(report?.error instanceof AcquireTimeoutError)
    assert.deepEqual([report.resource, report.late], ['pool', true])
  })

  test(`what fails with the reason of ${how} says nothing new`, async (t) => {
    const { app, pool, refuse } = failing(t)
    assert.equal(await rejection(leave(app.child(), pool)), R)
    refuse(R)
    await quiet()
  })
}

test('nobody listens to the signal of a caller any more whose scope has closed, although what it asked for is still on its way', async (t) => {
  const { app, unthrown, pool, refuse } = failing(t)
  const { signal } = new AbortController()
  const scope = app.child()
  const getting = rejection(scope.get(pool, { signal }))
  const before = getEventListeners(signal, 'abort').length
  scope.abort(R)
  assert.equal(await getting, R)
  await scope.close()
  const after = getEventListeners(signal, 'abort').length
  refuse(A)
  await quiet()
  assert.deepEqual(taken(unthrown), ['A'])
  assert.deepEqual([before, after], [1, 0])
})

test('an acquisition that failed at once is reported when its caller is turned away before it is told', async (t) => {
  const { app, unthrown } = setUp(t)
  const broken = resource({
    lifetime: 'app',
    name: 'broken',
    acquire: () => {
      throw A
    },
  })
  const request = app.child()
  const getting = rejection(request.get(broken))
  request.abort(R)
  assert.equal(await getting, R)
  await quiet()
  assert.deepEqual(taken(unthrown), ['A'])
})

test('the release of a late value that closes its scope is not waited for in vain', async (t) => {
  const { app, tracker } = setUp(t, { disposeTimeout: 60_000 })
  const gate = Promise.withResolvers<void>()
  const scope = app.child()
  const lease = tracker.resource('lease', {
    onAcquire: () => gate.promise,
    onRelease: () => scope.close(),
  })
  const getting = rejection(scope.get(lease))
  scope.abort(R)
  assert.equal(await getting, R)
  gate.resolve()
  await within(scope.close())
  await within(app.close())
  assert.deepEqual(tracker.events, ['+lease', '-lease'])
})

test('so it is not where its scope is still open', async (t) => {
  const { app, tracker } = setUp(t, { disposeTimeout: 60_000 })
  const scope = app.child()
  const lease = tracker.resource('lease', { onRelease: () => scope.close() })
  const getting = rejection(scope.get(lease))
  scope.abort(R)
  assert.equal(await getting, R)
  await quiet()
  assert.deepEqual(tracker.events, ['+lease', '-lease'])
  assert.equal(scope.state, 'closed')
})
