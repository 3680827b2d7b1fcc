/** What a shutdown waits for besides requests, and what fails meanwhile. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createApp, ShutdownError, type App, type Scope } from 'unwind'
import { setUp, taken } from './support/app.ts'
import { chain } from './support/chain.ts'
import { isPending, rejection, within } from './support/promises.ts'
import { never, long, request, counts } from './support/shutdown.ts'

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

test('a job that comes after that is refused with what to do: the request that wants it may run it', async (t) => {
  const { app, tracker } = setUp(t)
  const job = async (scope: Scope): Promise<unknown> => await scope.get(tracker.resource('mail'))
  const gate = Promise.withResolvers<void>()
  const request = app.run(async (scope) => {
    await gate.promise
    assert.throws(() => app.detach(job), {
      code: 'ERR_SCOPE_CLOSED',
      message: /^detach\(\): the app .* is draining\. .*in its own scope\.run\(…\)\.$/,
    })
    await scope.run({ kind: 'request' }, job)
    assert.deepEqual(tracker.events, ['+mail', '-mail'])
  })
  const shutdown = app.shutdown({ grace: long })
  gate.resolve()
  await within(request)
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

test('a task of the app that a close waits for is waited for by a shutdown, too, and both end with it', async (t) => {
  const { app } = setUp(t)
  const gate = Promise.withResolvers<void>()
  const task = app.fork(() => gate.promise)
  const closing = app.close()
  const shutdown = app.shutdown({ abortGrace: long })
  assert.equal(await isPending(shutdown), true)
  gate.resolve()
  await within(Promise.all([task, closing, shutdown]))
  assert.equal(app.state, 'closed')
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

test('what a task of the app failed with is in the report, before and within the shutdown', async (t) => {
  const failed = setUp(t).app
  const task = failed.fork(() => Promise.reject(new Error('T')))
  assert.equal(chain(await rejection(task)), 'T')
  const { errors } = await within(failed.shutdown({ grace: long }))
  assert.deepEqual(errors.map(chain), ['T'])
  const failing = setUp(t).app
  void failing.fork(async (signal) => {
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
    throw new Error('T')
  })
  const report = await within(failing.shutdown({ grace: 0, abortGrace: long }))
  assert.deepEqual(report.errors.map(chain), ['T'])
})

test('a task of the app that was left to itself and fails after all is reported', async (t) => {
  const { app, unthrown } = setUp(t)
  const gate = Promise.withResolvers<void>()
  const task = app.fork(() => gate.promise)
  await within(app.shutdown({ grace: 0, abortGrace: 0 }))
  gate.reject(new Error('T'))
  assert.equal(chain(await rejection(task)), 'T')
  assert.deepEqual(taken(unthrown), ['T'])
})

test('that a task of the app was left to itself is in the report, also where somebody had closed the app', async () => {
  for (const end of [(): unknown => undefined, (app: App): unknown => void app.close()]) {
    const app = createApp()
    for (const job of [() => never, () => never]) void app.fork(job)
    end(app)
    const { errors, stuck } = await within(app.shutdown({ grace: 0, abortGrace: 1 }))
    assert.deepEqual([errors.length, stuck], [1, []])
    assert.match(String(errors[0]), /AbandonedError: Left behind: 2 of the tasks of the app "app"/)
  }
})

test('a release that hangs is bounded by its dispose timeout, and reported', async () => {
  const app = createApp({ disposeTimeout: 10 })
  app.adopt(1, function socket() {
    return never
  })
  const report = await within(app.shutdown())
  assert.match(String(report.errors[0]), /DisposeTimeoutError: Releasing "socket"/)
})

test('a release of the app may take longer than what was aborted, although nothing is acquired in it', async () => {
  const app = createApp()
  // The timers of one turn fire in the order of their times.
  app.defer(() => new Promise((resolve) => setTimeout(resolve, 20)))
  const { errors } = await within(app.shutdown({ grace: 0, abortGrace: 1 }))
  assert.deepEqual([errors, app.state], [[], 'closed'])
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
