/** The way down of an app: what runs may finish, then is aborted, then is left; and only then the app's resources go. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  createApp,
  ScopeClosedError,
  ShutdownError,
  type App,
  type Scope,
  type ShutdownReport,
} from 'unwind'
import { setUp } from './support/app.ts'
import { chain } from './support/chain.ts'
import { isPending, quiet, rejection, thrown, within } from './support/promises.ts'

const never = new Promise<never>(() => {})
/** Longer than any test takes. */
const long = 600_000

interface Request {
  readonly scope: Scope
  readonly finish: () => void
  readonly running: Promise<unknown>
}

/** A request that runs until it is told to finish, or its signal aborts. */
function request(app: App, options: { deaf?: boolean; name?: string } = {}): Request {
  const gate = Promise.withResolvers<void>()
  let opened: Scope | undefined
  const running = app.run({ name: options.name ?? 'slow' }, async (scope) => {
    opened = scope
    if (options.deaf !== true) {
      scope.signal.addEventListener('abort', () => gate.reject(scope.signal.reason))
    }
    await gate.promise
  })
  running.catch(() => {})
  assert.ok(opened !== undefined)
  return { scope: opened, finish: gate.resolve, running }
}

function counts({ drained, aborted, stuck, errors }: ShutdownReport): number[] {
  return [drained, aborted, stuck.length, errors.length]
}

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
  const shutdown = app.shutdown({ lameDuck: 50, grace: long })
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

test('a signal that has aborted already leaves no grace', async (t) => {
  const { app } = setUp(t)
  const slow = request(app)
  const report = await within(app.shutdown({ grace: long, signal: AbortSignal.abort() }))
  assert.deepEqual(counts(report), [0, 1, 0, 0])
  await rejection(slow.running)
})

test('detached jobs are drained within the same grace', async (t) => {
  const { app, tracker } = setUp(t)
  const pool = tracker.resource('pool', { lifetime: 'app' })
  const gate = Promise.withResolvers<void>()
  const job = app.detach(async (scope) => {
    await gate.promise
    await scope.get(pool)
    return 'sent'
  })
  const shutdown = app.shutdown({ grace: long })
  assert.equal(await isPending(shutdown), true)
  gate.resolve()
  assert.equal(await job, 'sent')
  assert.deepEqual(counts(await within(shutdown)), [1, 0, 0, 0])
})

test('tasks of the app itself are waited for, and aborted after the grace', async (t) => {
  const { app } = setUp(t)
  const gate = Promise.withResolvers<void>()
  const task = app.fork(() => gate.promise)
  const shutdown = app.shutdown({ grace: long })
  assert.equal(await isPending(shutdown), true)
  gate.resolve()
  await within(Promise.all([task, shutdown]))
  const other = createApp()
  const stubborn = other.fork(
    (signal) =>
      new Promise<void>((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error))
      }),
  )
  await within(other.shutdown({ grace: 5 }))
  assert.ok((await rejection(stubborn)) instanceof ShutdownError)
})

test('a poller of the app that need not be waited for is told at the start', async (t) => {
  const { app } = setUp(t)
  const poller = app.fork(
    (signal) =>
      new Promise<string>((resolve) => {
        signal.addEventListener('abort', () => resolve('stopped'))
      }),
    { onClose: 'abort' },
  )
  await within(app.shutdown({ grace: long }))
  assert.equal(await poller, 'stopped')
})

test('a failing release of the app is in the report, and shutdown never rejects', async () => {
  const app = createApp()
  const failures = [new Error('D1'), new Error('D2')]
  app.defer(() => Promise.reject(failures[1]))
  app.defer(() => Promise.reject(failures[0]))
  const report = await within(app.shutdown())
  assert.equal(report.errors.length, 1)
  assert.equal(chain(report.errors[0]), 'S(D2←D1)')
  await app.close()
})

test('a failed request is no error of the shutdown', async (t) => {
  const { app } = setUp(t)
  const gate = Promise.withResolvers<void>()
  const running = app.run(() => gate.promise)
  const shutdown = app.shutdown({ grace: long })
  gate.reject(new Error('B'))
  assert.equal(chain(await rejection(running)), 'B')
  assert.deepEqual(counts(await within(shutdown)), [1, 0, 0, 0])
})

test('a body that was left to itself finds the app closed, and its own end is quiet', async (t) => {
  const { app, tracker } = setUp(t)
  const gate = Promise.withResolvers<void>()
  const running = app.run(async (scope) => {
    await gate.promise
    return await rejection(scope.get(tracker.resource('pool', { lifetime: 'app' })))
  })
  await within(app.shutdown({ grace: 0, abortGrace: 0 }))
  gate.resolve()
  assert.ok((await running) instanceof Error)
  assert.deepEqual(tracker.events, [])
})

test('a release that hangs is bounded by its dispose timeout, and reported', async () => {
  const app = createApp({ disposeTimeout: 10 })
  app.adopt(1, function socket() {
    return never
  })
  const report = await within(app.shutdown())
  assert.match(String(report.errors[0]), /DisposeTimeoutError: Releasing "socket"/)
})

test('a shutdown without time still aborts, waits for nothing and releases all', async (t) => {
  const { app, tracker } = setUp(t)
  await app.get(tracker.resource('pool', { lifetime: 'app' }))
  const deaf = request(app, { deaf: true })
  const report = await within(app.shutdown({ grace: 0, abortGrace: 0 }))
  assert.deepEqual(counts(report), [0, 1, 1, 0])
  deaf.finish()
})

test('a request that asks for the shutdown of its app ends within the grace', async (t) => {
  const { app } = setUp(t)
  const running = app.run(() => {
    void app.shutdown({ grace: long })
    return 'on its way'
  })
  assert.equal(await within(running), 'on its way')
  await within(app.shutdown())
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
