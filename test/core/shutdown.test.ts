/** The way down of an app: what runs may finish, then is aborted, then is left; and only then the app's resources go. */
import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { test } from 'node:test'
import { createApp, ScopeClosedError, ShutdownError } from 'unwind'
import { setUp } from './support/app.ts'
import { isPending, quiet, rejection, thrown, within } from './support/promises.ts'
import { long, request, counts } from './support/shutdown.ts'

test('an idle app shuts down at once, and releases its resources', async (t) => {
  const { app, tracker } = setUp(t)
  await app.get(tracker.resource('pool', { lifetime: 'app' }))
  const report = await within(app.shutdown())
  assert.deepEqual(report, { drained: 0, aborted: 0, stuck: [], errors: [] })
  assert.equal(app.state, 'closed')
  assert.deepEqual(tracker.events, ['+pool', '-pool'])
  assert.deepEqual(tracker.exits, ['pool: success'])
})

test('no new scope is opened once the shutdown has begun', async (t) => {
  const { app } = setUp(t)
  const { finish } = request(app)
  const shutdown = app.shutdown({ grace: long })
  const error = thrown(() => app.child())
  assert.ok(error instanceof ScopeClosedError)
  assert.ok((await rejection(app.run(() => 1))) instanceof ScopeClosedError)
  assert.ok(thrown(() => app.detach(() => 1)) instanceof ScopeClosedError)
  assert.equal(app.state, 'draining')
  finish()
  await within(shutdown)
})

test('what runs may finish within the grace, with all that it needs of the app', async (t) => {
  const { app, tracker } = setUp(t)
  const pool = tracker.resource('pool', { lifetime: 'app' })
  const lease = tracker.resource('lease', { onAcquire: ({ get }) => get(pool) })
  const gate = Promise.withResolvers<void>()
  const running = app.run(async (scope) => {
    await gate.promise
    await scope.get(lease)
    await scope.run((block) => block.get(lease))
    return 'answer'
  })
  const shutdown = app.shutdown({ grace: long })
  await quiet()
  gate.resolve()
  assert.equal(await running, 'answer')
  assert.deepEqual(counts(await within(shutdown)), [1, 0, 0, 0])
  assert.deepEqual(tracker.events, ['+pool', '+lease', '-lease', '-pool'])
})

test('what still runs after the grace is aborted with a ShutdownError that names the app', async () => {
  const app = createApp({ name: 'shop' })
  const slow = request(app)
  const report = await within(app.shutdown({ grace: 10, abortGrace: long }))
  const error = await rejection(slow.running)
  assert.ok(error instanceof ShutdownError)
  assert.equal(error.code, 'ERR_SHUTDOWN')
  assert.match(error.message, /"shop"/)
  assert.deepEqual(counts(report), [0, 1, 0, 0])
})

test('what ignores the abort is left after the abort grace, and the report says what it was', async (t) => {
  const { app, tracker } = setUp(t)
  await app.get(tracker.resource('pool', { lifetime: 'app' }))
  const deaf = request(app, { deaf: true, name: 'export' })
  deaf.scope.child({ name: 'page' })
  const report = await within(app.shutdown({ grace: 0, abortGrace: 10 }))
  assert.deepEqual(counts(report), [0, 1, 1, 0])
  const [stuck] = report.stuck
  assert.equal(stuck?.name, 'export')
  assert.equal(stuck.aborted, true)
  assert.equal(stuck.state, 'open')
  assert.deepEqual(
    stuck.children.map(({ name }) => name),
    ['page'],
  )
  assert.deepEqual(tracker.held, [])
  deaf.finish()
  await deaf.running
})

test("the app's resources stay while a scope that uses them is open", async (t) => {
  const { app, tracker } = setUp(t)
  await app.get(tracker.resource('pool', { lifetime: 'app' }))
  const slow = request(app)
  const shutdown = app.shutdown({ grace: long })
  await quiet()
  assert.deepEqual(tracker.held, ['pool'])
  slow.finish()
  await within(shutdown)
  assert.deepEqual(tracker.held, [])
})

test('what drained, what was aborted and what stuck are counted apart', async (t) => {
  const { app } = setUp(t)
  const [quick, slow] = [request(app), request(app)]
  const deaf = request(app, { deaf: true })
  const job = app.detach(
    (scope) =>
      new Promise<void>((resolve) => {
        scope.draining.addEventListener('abort', () => resolve())
      }),
  )
  const shutdown = app.shutdown({ grace: 50, abortGrace: 20 })
  quick.finish()
  await job
  const report = await within(shutdown)
  assert.deepEqual(counts(report), [2, 2, 1, 0])
  await rejection(slow.running)
  deaf.finish()
})

test('a second shutdown returns the same promise, whatever it asks for', async (t) => {
  const { app } = setUp(t)
  const first = app.shutdown()
  assert.equal(app.shutdown({ grace: 5 }), first)
  await first
  assert.equal(app.shutdown(), first)
})

test('close during a shutdown waits for its end, and shutdown after a close resolves', async (t) => {
  const { app } = setUp(t)
  const slow = request(app)
  const shutdown = app.shutdown({ grace: long })
  const closing = app.close()
  assert.equal(await isPending(closing), true)
  slow.finish()
  await within(Promise.all([shutdown, closing]))
  const other = createApp()
  await other.close()
  assert.deepEqual(counts(await within(other.shutdown())), [0, 0, 0, 0])
})

test('an app that is closed while it accepts for the last time ends at once', async (t) => {
  const { app } = setUp(t)
  const slow = request(app)
  const shutdown = app.shutdown({ lameDuck: long, grace: long })
  await within(app.close())
  await rejection(slow.running)
  assert.deepEqual(counts(await within(shutdown)), [0, 1, 0, 0])
  assert.equal(app.state, 'closed')
})

test('close is a shutdown without waiting: it aborts what runs, and waits for that alone', async (t) => {
  const { app, tracker } = setUp(t)
  await app.get(tracker.resource('pool', { lifetime: 'app' }))
  const slow = request(app)
  await within(app.close())
  assert.ok((await rejection(slow.running)) instanceof ShutdownError)
  assert.deepEqual(tracker.held, [])
})

test('long streams learn of it at the start of the drain, not at its end', async (t) => {
  const { app } = setUp(t)
  const slow = request(app)
  const nested = slow.scope.child()
  const { draining } = slow.scope
  assert.equal(draining.aborted, false)
  const shutdown = app.shutdown({ lameDuck: 10, grace: long })
  assert.equal(draining.aborted, true)
  assert.ok(draining.reason instanceof ShutdownError)
  assert.equal(nested.draining.aborted, true)
  assert.equal(slow.scope.signal.aborted, false)
  slow.finish()
  await within(shutdown)
})

test('draining aborts at the latest with the signal, and a scope below sees that of the one above', async (t) => {
  const { app } = setUp(t)
  const scope = app.child()
  const child = scope.child()
  const reason = new Error('R')
  const early = scope.draining
  scope.abort(reason)
  assert.deepEqual([early.aborted, early.reason], [true, reason])
  assert.deepEqual([child.draining.aborted, child.draining.reason], [true, reason])
  assert.equal(app.draining.aborted, false)
  assert.equal(scope.draining, early)
})

test('a lame duck still opens scopes, which know that the app is on its way down', async (t) => {
  const { app } = setUp(t)
  const shutdown = app.shutdown({ lameDuck: 30, grace: long })
  assert.equal(app.state, 'open')
  const aborted = await app.run((scope) => scope.draining.aborted)
  assert.equal(aborted, true)
  const report = await within(shutdown)
  assert.deepEqual(counts(report), [1, 0, 0, 0])
})

test('the signal ends the waiting early: of the lame duck and of the grace, not of the abort grace', async (t) => {
  const { app } = setUp(t)
  const slow = request(app)
  const hurry = new AbortController()
  const shutdown = app.shutdown({ lameDuck: long, grace: long, signal: hurry.signal })
  assert.equal(await isPending(shutdown), true)
  hurry.abort()
  assert.deepEqual(counts(await within(shutdown)), [0, 1, 0, 0])
  assert.ok((await rejection(slow.running)) instanceof ShutdownError)
})

test('nothing listens to the signal afterwards', async () => {
  const { signal } = new AbortController()
  const app = createApp()
  await within(app.shutdown({ signal, lameDuck: 1 }))
  assert.deepEqual(getEventListeners(signal, 'abort'), [])
})

test('a signal that has aborted already leaves no grace', async (t) => {
  const { app } = setUp(t)
  const slow = request(app)
  const report = await within(app.shutdown({ grace: long, signal: AbortSignal.abort() }))
  assert.deepEqual(counts(report), [0, 1, 0, 0])
  await rejection(slow.running)
})

test('shutdown refuses unknown and wrong options', async (t) => {
  const { app } = setUp(t)
  assert.throws(() => app.shutdown({ grace: -1 }), /`grace` of shutdown\(\).*milliseconds/)
  assert.throws(() => app.shutdown({ timeout: 1 } as never), /Unknown option `timeout`/)
  assert.equal(app.state, 'open')
})

test('a second app is left alone', async (t) => {
  const { app } = setUp(t)
  const other = setUp(t).app
  const slow = request(other)
  await within(app.shutdown())
  assert.equal(slow.scope.signal.aborted, false)
  slow.finish()
})
