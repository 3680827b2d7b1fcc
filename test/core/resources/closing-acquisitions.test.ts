/** A scope that closes while something is acquired in it: whoever acquires may stop, and nobody waits for ever. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  AcquireTimeoutError,
  resource,
  ScopeClosedError,
  ShutdownError,
  type Resource,
  type ResourceOptions,
} from 'unwind'
import { setUp } from '../support/app.ts'
import { isPending, quiet, rejection, within } from '../support/promises.ts'

/** Rejects with the reason of its signal, as `fetch` does. */
function heeding(lifetime: 'app' | 'request', options: ResourceOptions = {}): Resource<never> {
  return resource({
    ...options,
    name: 'slow',
    lifetime,
    acquire: ({ signal }) =>
      new Promise<never>((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason))
      }),
  })
}

function never(lifetime: 'app' | 'request'): Resource<never> {
  return resource({ name: 'stuck', lifetime, acquire: () => new Promise<never>(() => {}) })
}

test('the signal of what acquires aborts when its scope closes, because nobody will get the value', async (t) => {
  const { app } = setUp(t)
  const scope = app.child()
  const getting = rejection(scope.get(heeding('request')))
  await within(scope.close())
  assert.ok((await getting) instanceof ScopeClosedError)
})

test('so it does when the body of its scope ends without waiting for it', async (t) => {
  const { app } = setUp(t)
  let getting: Promise<unknown> | undefined
  const result = await within(
    app.run((scope) => {
      getting = rejection(scope.get(heeding('request')))
      return 'done'
    }),
  )
  assert.equal(result, 'done')
  assert.ok((await getting) instanceof ScopeClosedError)
})

for (const how of ['close', 'shutdown'] as const) {
  test(`an app that is warming up ends with ${how}() where the acquisition heeds its signal`, async (t) => {
    const { app } = setUp(t)
    const warming = rejection(app.warmUp(heeding('app')))
    await within<unknown>(app[how]())
    assert.ok((await warming) instanceof ScopeClosedError)
  })
}

test('shutdown leaves behind an acquisition of the app that heeds nothing, and names it', async (t) => {
  const { app, tracker } = setUp(t)
  await app.get(tracker.resource('pool', { lifetime: 'app' }))
  const warming = rejection(app.warmUp(never('app')))
  const asking = rejection(app.run((scope) => scope.get(never('app'))))
  await quiet()
  const { stuck, errors } = await within(app.shutdown({ grace: 1, abortGrace: 1 }))
  assert.deepEqual(stuck, [])
  assert.equal(errors.length, 2)
  for (const error of errors) {
    assert.ok(error instanceof AcquireTimeoutError)
    assert.match(error.message, /"stuck"/)
  }
  assert.ok((await warming) instanceof ScopeClosedError)
  assert.ok((await asking) instanceof ShutdownError)
  assert.deepEqual(tracker.events, ['+pool', '-pool'])
})

test('what such an acquisition brings in the end is released', async (t) => {
  const { app, tracker } = setUp(t)
  const gate = Promise.withResolvers<void>()
  const pool = tracker.resource('pool', { lifetime: 'app', onAcquire: () => gate.promise })
  const getting = rejection(app.get(pool))
  await within(app.shutdown({ grace: 0, abortGrace: 0 }))
  await getting
  gate.resolve()
  await quiet()
  assert.deepEqual(tracker.events, ['+pool', '-pool'])
})

test('close() tells the tasks of the app itself to stop', async (t) => {
  const { app } = setUp(t)
  const heard: unknown[] = []
  const task = app.fork(
    (signal) =>
      new Promise<void>((resolve) => {
        signal.addEventListener('abort', () => {
          heard.push(signal.reason)
          resolve()
        })
      }),
  )
  await within(app.close())
  await task
  assert.ok(heard[0] instanceof ShutdownError)
})

test('what had its time and goes on is told when its owner closes, which does not wait for it', async (t) => {
  const { app } = setUp(t)
  const signals: AbortSignal[] = []
  const retrying = resource({
    acquireTimeout: 1,
    acquire: ({ signal }) => {
      signals.push(signal)
      return new Promise<never>(() => {})
    },
  })
  const closed = await app.run(async (scope) => {
    assert.ok((await rejection(scope.get(retrying))) instanceof AcquireTimeoutError)
    assert.equal(signals[0]?.aborted, false)
    return scope
  })
  assert.equal(closed.state, 'closed')
  assert.ok(signals[0]?.reason instanceof ScopeClosedError)
})

test('what comes after its time is released before what it needs, also where its owner closes meanwhile', async (t) => {
  const { app, tracker } = setUp(t)
  const [arrival, release] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const needed = tracker.resource('needed')
  const late = tracker.resource('late', {
    acquireTimeout: 1,
    onAcquire: async ({ get }) => {
      await get(needed)
      await arrival.promise
    },
    onRelease: () => release.promise,
  })
  const running = app.run(async (scope) => {
    assert.ok((await rejection(scope.get(late))) instanceof AcquireTimeoutError)
    arrival.resolve()
    await quiet()
  })
  await quiet()
  assert.equal(await isPending(running), true)
  release.resolve()
  await within(running)
  assert.deepEqual(tracker.events, ['+needed', '+late', '-late', '-needed'])
})

test('a shutdown waits for the release of what came after its time as for every other', async (t) => {
  const { app, tracker } = setUp(t)
  const [arrival, release] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const late = tracker.resource('late', {
    lifetime: 'app',
    acquireTimeout: 1,
    onAcquire: () => arrival.promise,
    onRelease: () => release.promise,
  })
  assert.ok((await rejection(app.warmUp(late))) instanceof AcquireTimeoutError)
  arrival.resolve()
  await quiet()
  const shutdown = app.shutdown({ grace: 0, abortGrace: 1 })
  setTimeout(release.resolve, 20)
  assert.deepEqual((await within(shutdown)).errors, [])
  assert.deepEqual(tracker.events, ['+late', '-late'])
})

test('a shutdown that leaves an acquisition behind leaves no timer of it', async (t) => {
  const { app } = setUp(t)
  const { setTimeout: set, clearTimeout: clear } = globalThis
  const limit = 61_000
  const timers = new Set<unknown>()
  t.after(() => Object.assign(globalThis, { setTimeout: set, clearTimeout: clear }))
  Object.assign(globalThis, {
    setTimeout: (fire: () => void, ms: number) => {
      const timer = set(fire, ms)
      if (ms === limit) timers.add(timer)
      return timer
    },
    clearTimeout: (timer: NodeJS.Timeout) => {
      timers.delete(timer)
      clear(timer)
    },
  })
  const acquire = (): Promise<never> => new Promise(() => {})
  const stuck = resource({ lifetime: 'app', acquireTimeout: limit, acquire })
  const getting = rejection(app.get(stuck))
  assert.equal(timers.size, 1)
  const { errors } = await within(app.shutdown({ abortGrace: 1 }))
  assert.ok((await getting) instanceof ScopeClosedError)
  assert.equal(errors.length, 1)
  assert.equal(timers.size, 0)
})

for (const how of ['close', 'abort', 'fail'] as const) {
  test(`what had its time and then ends with its scope says nothing new (${how})`, async (t) => {
    const { app, unthrown } = setUp(t)
    const scope = app.child()
    const getting = rejection(scope.get(heeding('request', { acquireTimeout: 1 })))
    assert.ok((await getting) instanceof AcquireTimeoutError)
    if (how !== 'close') scope[how](new Error('R'))
    await within(scope.close())
    await quiet()
    assert.deepEqual(unthrown, [])
  })
}
