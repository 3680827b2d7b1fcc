/** Releases that take too long: what is recorded, what is destroyed, and what goes on. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DisposeTimeoutError, resource, type Exit } from 'unwind'
import { setUp, taken } from './support/app.ts'
import { errorsOf } from './support/chain.ts'
import { isPending, quiet, rejection, within } from './support/promises.ts'

const B = new Error('B')
const never = new Promise<never>(() => {})

test('a release that exceeds its timeout is recorded, destroyed, and the next ones run', async (t) => {
  const { app, tracker } = setUp(t)
  const { events } = tracker
  const value = {}
  let destroyed: unknown[] = []
  const stuck = resource({
    name: 'connection',
    disposeTimeout: 10,
    acquire: () => value,
    release: () => never,
    destroy: (...parameters) => {
      destroyed = parameters
      events.push('destroyed')
    },
  })
  const running = app.run(async (scope) => {
    await scope.get(tracker.resource('outer'))
    await scope.get(stuck)
  })
  const error = await rejection(running)
  assert.ok(error instanceof DisposeTimeoutError)
  assert.equal(error.code, 'ERR_DISPOSE_TIMEOUT')
  assert.equal(error.resource, 'connection')
  assert.equal(error.timeoutMs, 10)
  assert.match(error.message, /"connection".*disposeTimeout of 10 ms/)
  assert.deepEqual(destroyed, [value, error])
  assert.deepEqual(events, ['+outer', 'destroyed', '-outer'])
  assert.deepEqual(tracker.exits, [`outer: failure(${error.message})`])
})

test('a timeout after a failed body is in one chain with its error', async (t) => {
  const { app } = setUp(t)
  const running = app.run({ disposeTimeout: 5 }, (scope) => {
    scope.defer(() => never)
    throw B
  })
  const [timeout, body] = errorsOf(await rejection(running))
  assert.ok(timeout instanceof DisposeTimeoutError)
  assert.equal(body, B)
})

test('a destroy that fails suppresses the timeout, and the next ones run', async (t) => {
  for (const how of ['throws', 'rejects'] as const) {
    const { app, tracker } = setUp(t)
    const F = new Error('F')
    const stuck = resource({
      name: 'connection',
      disposeTimeout: 5,
      acquire: () => 1,
      release: () => never,
      destroy: () => {
        if (how === 'throws') throw F
        return Promise.reject(F)
      },
    })
    const running = app.run(async (scope) => {
      await scope.get(tracker.resource('outer'))
      await scope.get(stuck)
    })
    const [failure, timeout] = errorsOf(await rejection(running))
    assert.equal(failure, F)
    assert.ok(timeout instanceof DisposeTimeoutError)
    assert.deepEqual(tracker.held, [])
  }
})

test('destroy is awaited, and bounded by the same timeout', async (t) => {
  const { app, tracker } = setUp(t)
  const gate = Promise.withResolvers<void>()
  const destroying = Promise.withResolvers<void>()
  const slow = resource({
    name: 'slow',
    disposeTimeout: 200,
    acquire: () => 1,
    release: () => never,
    destroy: () => {
      destroying.resolve()
      return gate.promise
    },
  })
  const running = rejection(
    app.run(async (scope) => {
      await scope.get(tracker.resource('outer'))
      await scope.get(slow)
    }),
  )
  await destroying.promise
  assert.equal(await isPending(running), true)
  assert.deepEqual(tracker.held, ['outer'])
  gate.resolve()
  assert.ok((await running) instanceof DisposeTimeoutError)

  const stuck = resource({
    disposeTimeout: 5,
    acquire: () => 1,
    release: () => never,
    destroy: () => never,
  })
  const errors = errorsOf(await rejection(app.run((scope) => scope.get(stuck))))
  assert.equal(errors.length, 2)
  for (const error of errors) assert.ok(error instanceof DisposeTimeoutError)
})

test('a release within its time is not destroyed', async (t) => {
  const { app, tracker } = setUp(t)
  const slow = resource({
    acquire: () => 1,
    release: quiet,
    destroy: () => tracker.events.push('destroyed'),
  })
  await app.run((scope) => scope.get(slow))
  assert.deepEqual(tracker.events, [])
})

test('the late failure of a timed-out release is reported', async (t) => {
  const { app, unthrown } = setUp(t)
  const gate = Promise.withResolvers<void>()
  const stuck = resource({
    name: 'connection',
    disposeTimeout: 5,
    acquire: () => 1,
    release: () => gate.promise,
  })
  await rejection(app.run({ name: 'upload' }, (scope) => scope.get(stuck)))
  const L = new Error('L')
  gate.reject(L)
  await quiet()
  assert.deepEqual(unthrown.splice(0), [
    { error: L, scope: 'upload', resource: 'connection', late: true },
  ])
})

test('the late failure of a timed-out destroy is reported', async (t) => {
  const { app, unthrown } = setUp(t)
  const gate = Promise.withResolvers<void>()
  const stuck = resource({
    disposeTimeout: 5,
    acquire: () => 1,
    release: () => never,
    destroy: () => gate.promise,
  })
  await rejection(app.run((scope) => scope.get(stuck)))
  gate.reject(new Error('L'))
  await quiet()
  assert.deepEqual(taken(unthrown), ['L'])
})

test('the late translation of a timed-out generator is reported', async (t) => {
  const { app, unthrown } = setUp(t)
  const gate = Promise.withResolvers<void>()
  const stuck = resource(
    async function* () {
      try {
        yield 1
      } catch (cause) {
        await gate.promise
        throw new Error('L', { cause })
      }
    },
    { disposeTimeout: 5 },
  )
  const running = app.run(async (scope) => {
    await scope.get(stuck)
    throw B
  })
  assert.equal(errorsOf(await rejection(running)).at(-1), B)
  gate.resolve()
  await quiet()
  assert.deepEqual(taken(unthrown), ['L'])
})

test('a timeout of a resource that is not critical is reported and changes nothing', async (t) => {
  const { app, tracker, unthrown } = setUp(t)
  const stuck = resource({
    critical: false,
    disposeTimeout: 5,
    acquire: () => 1,
    release: () => never,
  })
  const result = await app.run(async (scope) => {
    await scope.get(tracker.resource('outer'))
    await scope.get(stuck)
    return 'value'
  })
  assert.equal(result, 'value')
  assert.deepEqual(tracker.exits, ['outer: success'])
  assert.ok(unthrown.splice(0)[0]?.error instanceof DisposeTimeoutError)
})

test('the signal of a release that exceeds its time aborts with the timeout', async (t) => {
  const { app, unthrown } = setUp(t, { disposeTimeout: 10 })
  let looked: AbortSignal | undefined
  const exits: Exit[] = []
  const scope = app.child()
  scope.defer((exit) => {
    exits.push(exit)
    return never
  })
  scope.defer((exit) => {
    looked = exit.signal
    return new Promise((_resolve, reject) => {
      exit.signal.addEventListener('abort', () => reject(new Error('told')), { once: true })
    })
  })
  const errors = errorsOf(await rejection(scope.close()))
  assert.equal(errors.length, 2)
  assert.equal(looked?.reason, errors[1])
  const [late] = exits
  assert.equal(late?.signal.aborted, true)
  assert.equal(late.signal.reason, errors[0])
  assert.deepEqual(taken(unthrown), ['told'])
})

test('a timeout does not abort the signal of a release that had ended', async (t) => {
  const { app } = setUp(t, { disposeTimeout: 5 })
  let ended: AbortSignal | undefined
  const scope = app.child()
  scope.use({ [Symbol.asyncDispose]: () => never })
  scope.defer((exit) => {
    ended = exit.signal
  })
  await rejection(scope.close())
  assert.equal(ended?.aborted, false)
})

test('disposeTimeout is inherited, and the nearest one counts', async (t) => {
  const { app } = setUp(t, { disposeTimeout: 7 })
  const own = resource({ name: 'own', disposeTimeout: 9, acquire: () => 1, release: () => never })
  const timeouts = async (options: { disposeTimeout?: number }): Promise<number[]> => {
    const running = app.run(options, (scope) =>
      scope.run(async (inner) => {
        inner.defer(() => never)
        await scope.get(own)
      }),
    )
    return errorsOf(await rejection(running)).map(
      (error) => (error as DisposeTimeoutError).timeoutMs,
    )
  }
  assert.deepEqual(await timeouts({}), [9, 7])
  assert.deepEqual(await timeouts({ disposeTimeout: 8 }), [9, 8])
})

test('what cannot be named otherwise has a name in a timeout all the same', async (t) => {
  class Socket {
    [Symbol.asyncDispose](): Promise<void> {
      return never
    }
  }
  const { app } = setUp(t, { disposeTimeout: 5 })
  const scope = app.child()
  scope.use(new Socket())
  scope.defer(function flushLogs() {
    return never
  })
  scope.defer(() => never)
  const errors = errorsOf(await rejection(scope.close()))
  const names = errors.map((error) => (error as DisposeTimeoutError).resource)
  assert.deepEqual(names.slice(0, 2), ['Socket', 'flushLogs'])
  assert.ok(typeof names[2] === 'string' && names[2] !== '')
})

test('after the default of 5 s a release is given up', async (t) => {
  const { app } = setUp(t)
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const running = app.run((scope) => {
    scope.defer(() => never)
  })
  const failed = running.then(
    () => undefined,
    (error: unknown) => error,
  )
  await quiet()
  t.mock.timers.tick(4_999)
  assert.equal(await isPending(failed), true)
  t.mock.timers.tick(1)
  t.mock.timers.reset()
  const error = await within(failed)
  assert.ok(error instanceof DisposeTimeoutError)
  assert.equal(error.timeoutMs, 5_000)
})
