/** How an abort travels, and what outcome it makes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resource, type Exit } from 'unwind'
import { setUp } from './support/app.ts'
import { ending } from './support/chain.ts'
import { isPending, quiet, rejection, within } from './support/promises.ts'

const R = new Error('R')

/** Rejects with the signal's reason, as everything that listens does. */
function until(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const stop = (): void => reject(signal.reason as Error)
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop, { once: true })
  })
}

test("a parent's abort reaches all its descendants with the same reason", async (t) => {
  const { app } = setUp(t)
  const parent = app.child()
  const child = parent.child()
  const grandchild = child.child()
  const looked = grandchild.signal
  parent.abort(R)
  for (const { signal } of [parent, child, grandchild]) {
    assert.equal(signal.aborted, true)
    assert.equal(signal.reason, R)
  }
  assert.equal(looked.reason, R)
})

test("a child's abort stays local", async (t) => {
  const { app } = setUp(t)
  const parent = app.child()
  const [child, sibling] = [parent.child(), parent.child()]
  child.abort(R)
  assert.equal(child.signal.aborted, true)
  for (const { signal } of [parent, sibling, app]) assert.equal(signal.aborted, false)
})

test('a scope opened under an aborted one is aborted from the start, with the same reason', async (t) => {
  const { app } = setUp(t)
  const parent = app.child()
  parent.abort(R)
  assert.equal(parent.child().signal.reason, R)
  await parent.run((scope) => assert.equal(scope.signal.reason, R))
})

test("the signal given as an option aborts the scope with the signal's reason", async (t) => {
  const { app } = setUp(t)
  const controller = new AbortController()
  const scope = app.child({ signal: controller.signal })
  assert.equal(scope.signal.aborted, false)
  controller.abort(R)
  assert.equal(scope.signal.reason, R)
  assert.equal(app.child({ signal: controller.signal }).signal.reason, R)
})

test('only the first abort counts', async (t) => {
  const { app } = setUp(t)
  const scope = app.child()
  scope.abort(R)
  scope.abort(new Error('second'))
  assert.equal(scope.signal.reason, R)
})

test('abort without a reason gives an AbortError, a passed deadline a TimeoutError, as the platform does', async (t) => {
  const { app } = setUp(t)
  const scope = app.child({ name: 'upload' })
  scope.abort()
  const { reason } = scope.signal
  assert.ok(reason instanceof DOMException)
  assert.equal(reason.name, 'AbortError')
  const late = await rejection(
    app.run({ name: 'upload', timeout: 1 }, ({ signal }) => until(signal)),
  )
  assert.ok(late instanceof DOMException)
  assert.equal(late.name, 'TimeoutError')
  assert.match(late.message, /"upload"/)
})

test("the effective deadline is the earlier of a scope's own and its parent's", async (t) => {
  const { app } = setUp(t)
  const before = Date.now()
  const parent = app.child({ timeout: 60_000 })
  const { deadline } = parent
  assert.ok(deadline !== undefined && deadline >= before + 60_000 && deadline < before + 120_000)
  assert.equal(parent.child().deadline, deadline)
  assert.equal(parent.child({ timeout: 600_000 }).deadline, deadline)
  const sooner = parent.child({ timeout: 1_000 }).deadline
  assert.ok(sooner !== undefined && sooner < deadline)
  assert.equal(app.deadline, undefined)
  assert.equal(app.child().child().deadline, undefined)
})

test("a parent's deadline ends a child that set a later one", async (t) => {
  const { app } = setUp(t)
  const error = await rejection(
    app.run({ timeout: 5 }, (scope) =>
      scope.run({ timeout: 600_000 }, (inner) => until(inner.signal)),
    ),
  )
  assert.ok(error instanceof DOMException)
  assert.equal(error.name, 'TimeoutError')
})

test("a child's deadline leaves its parent alone", async (t) => {
  const { app } = setUp(t)
  await app.run({ timeout: 600_000 }, async (scope) => {
    await rejection(scope.run({ timeout: 1 }, (inner) => until(inner.signal)))
    assert.equal(scope.signal.aborted, false)
  })
})

test('a body that rejects while aborted rejects with its error, and its finalizers see aborted', async (t) => {
  const { app } = setUp(t)
  const exits: Exit[] = []
  const E = new Error('E')
  const error = await rejection(
    app.run((scope) => {
      scope.defer((exit) => exits.push(exit))
      scope.abort(R)
      throw E
    }),
  )
  assert.equal(error, E)
  const [exit] = exits
  assert.ok(exit?.status === 'aborted')
  assert.equal(exit.reason, R)
  assert.equal(exit.error, E)
})

test('a body that rejects with the reason of the abort is aborted, not failed', async (t) => {
  const { app, tracker } = setUp(t)
  const running = app.run(async (scope) => {
    await scope.get(tracker.resource('lease'))
    scope.abort(R)
    await until(scope.signal)
  })
  assert.equal(await rejection(running), R)
  assert.deepEqual(tracker.exits, ['lease: aborted(R, R)'])
})

test('a body that fulfils after an abort counts as success', async (t) => {
  const { app, tracker } = setUp(t)
  const result = await app.run(async (scope) => {
    await scope.get(tracker.resource('lease'))
    scope.abort(R)
    await quiet()
    return 'value'
  })
  assert.equal(result, 'value')
  assert.deepEqual(tracker.exits, ['lease: success'])
})

test('an explicit scope that was aborted ends as aborted, and completed as success', async (t) => {
  const { app } = setUp(t)
  const ends: string[] = []
  for (const completes of [false, true]) {
    const scope = app.child()
    scope.defer((exit) => ends.push(ending(exit)))
    scope.abort(R)
    if (completes) scope.complete()
    await scope.close()
  }
  assert.deepEqual(ends, ['aborted(R)', 'success'])
})

test('an explicit scope that failed after its abort stays aborted, with that error', async (t) => {
  const { app } = setUp(t)
  const ends: string[] = []
  const scope = app.child()
  scope.defer((exit) => ends.push(ending(exit)))
  scope.abort(R)
  scope.fail(new Error('E'))
  await scope.close()
  assert.deepEqual(ends, ['aborted(R, E)'])
})

test('a body that does not listen is waited for', async (t) => {
  const { app, tracker } = setUp(t)
  const gate = Promise.withResolvers<void>()
  const begun = Promise.withResolvers<void>()
  const controller = new AbortController()
  const running = app.run({ signal: controller.signal }, async (scope) => {
    const lease = await scope.get(tracker.resource('lease'))
    begun.resolve()
    await gate.promise
    tracker.use(lease)
  })
  await begun.promise
  controller.abort(R)
  assert.equal(await isPending(running), true)
  assert.deepEqual(tracker.events, ['+lease'])
  gate.resolve()
  await within(running)
})

test('release code has a signal of its own, which the abort of the request leaves alone', async (t) => {
  const { app } = setUp(t)
  const signals: AbortSignal[] = []
  const scope = app.child()
  scope.defer(async (exit) => {
    signals.push(exit.signal)
    await quiet()
    scope.abort(R)
    app.abort(R)
    assert.equal(exit.signal.aborted, false)
  })
  scope.defer((exit) => signals.push(exit.signal))
  scope.abort(R)
  await scope.close()
  assert.equal(new Set(signals).size, 2)
  assert.deepEqual(
    signals.map(({ aborted }) => aborted),
    [false, false],
  )
})

test('an abort while a scope closes changes nothing', async (t) => {
  const { app, tracker } = setUp(t)
  const gate = Promise.withResolvers<void>()
  const inner = tracker.resource('inner', { onRelease: () => gate.promise })
  const controller = new AbortController()
  const running = app.run({ signal: controller.signal }, async (scope) => {
    await scope.get(tracker.resource('outer'))
    await scope.get(inner)
  })
  assert.equal(await isPending(running), true)
  controller.abort(R)
  gate.resolve()
  await within(running)
  assert.deepEqual(tracker.exits, ['inner: success', 'outer: success'])
})

test('a signal that was looked at only after the abort is aborted, with the reason', async (t) => {
  const { app } = setUp(t)
  const scope = app.child()
  const child = scope.child()
  scope.abort(R)
  assert.equal(child.signal.aborted, true)
  assert.equal(child.draining.aborted, true)
  assert.equal(child.draining.reason, R)
})

test('an abort from outside that comes in the middle of one further in leaves that its reason', (t) => {
  const { app } = setUp(t)
  const outer = app.child()
  const scope = outer.child()
  const [older, newer] = [scope.child(), scope.child()]
  newer.signal.addEventListener('abort', () => outer.abort(new Error('later')))
  scope.abort(R)
  assert.equal(newer.signal.reason, R)
  assert.equal(older.signal.reason, R)
})

test('so does what is aborted by a listener before the abort reaches it', (t) => {
  const { app } = setUp(t)
  const scope = app.child()
  const [older, newer] = [scope.child(), scope.child()]
  newer.signal.addEventListener('abort', () => older.abort(new Error('its own')))
  scope.abort(R)
  assert.equal((older.signal.reason as Error).message, 'its own')
  assert.equal(scope.signal.reason, R)
})

test('an abort does not reach what releases already', async (t) => {
  const { app } = setUp(t)
  const outer = app.child()
  const scope = outer.child()
  const gate = Promise.withResolvers<void>()
  scope.defer(() => gate.promise)
  const closed = scope.close()
  outer.abort(R)
  assert.equal(outer.signal.aborted, true)
  assert.equal(scope.signal.aborted, false)
  gate.resolve()
  await closed
})

test('where a scope fails with undefined, all below it are aborted with one AbortError', async (t) => {
  const { app } = setUp(t)
  const scope = app.child({ name: 'failed' })
  const child = scope.child()
  const below = child.child()
  scope.fail(undefined)
  const reason: unknown = below.signal.reason
  assert.ok(reason instanceof DOMException)
  assert.deepEqual([reason.name, reason.message], ['AbortError', 'The scope "failed" was aborted.'])
  assert.equal(child.signal.reason, reason)
  const late = resource({ lifetime: 'scope', acquire: () => 1 })
  assert.equal(await rejection(below.get(late)), reason)
})
