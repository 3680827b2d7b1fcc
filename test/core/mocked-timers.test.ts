/**
 * Under the timers of a test every wait has its timer at once: the time may pass before any turn of the event loop. What
 * goes by the real clock goes by the platform's timers.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createApp, detectLeaks, DisposeTimeoutError, hold, resource, type App } from 'unwind'
import { untilAborted } from './support/aborting.ts'
import { isSuppressed } from './support/suppressed.ts'
import { quiet, rejection, within } from './support/promises.ts'
import { script } from './support/script.ts'

const never = new Promise<never>(() => {})

const closings: Record<string, (app: App) => PromiseLike<unknown>> = {
  'a scope': (app) => {
    const scope = app.child()
    scope.defer(() => never)
    return scope.close()
  },
  'a parent whose child holds it': (app) => {
    const scope = app.child()
    scope.child().defer(() => never)
    return scope.close()
  },
  'an app': (app) => {
    app.defer(() => never)
    return app.close()
  },
  'what hold() holds': () => hold(1, () => never, { disposeTimeout: 10 })[Symbol.asyncDispose](),
}

for (const [what, close] of Object.entries(closings)) {
  test(`closing ${what} gives a hanging release up when a mocked clock is moved in the same turn`, async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const closing = close(createApp({ disposeTimeout: 10 }))
    t.mock.timers.tick(10)
    t.mock.timers.reset()
    assert.ok((await rejection(closing)) instanceof DisposeTimeoutError)
  })
}

test('two hanging releases have a full disposeTimeout each under a mocked clock', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const scope = createApp({ disposeTimeout: 10 }).child()
  let outer = false
  scope.defer(() => {
    outer = true
    return never
  })
  scope.defer(() => never)
  const closing = rejection(scope.close())
  t.mock.timers.tick(9)
  await Promise.resolve()
  assert.equal(outer, false)
  t.mock.timers.tick(1)
  await quiet()
  assert.equal(outer, true)
  t.mock.timers.tick(10)
  t.mock.timers.reset()
  const error = await within(closing)
  assert.ok(isSuppressed(error))
  assert.ok(error.error instanceof DisposeTimeoutError)
  assert.ok(error.suppressed instanceof DisposeTimeoutError)
})

test('timers that are numbers, as those of other environments are, end a wait too', async (t) => {
  const scope = createApp({ disposeTimeout: 10 }).child()
  scope.defer(() => never)
  const due: (() => void)[] = []
  t.mock.method(globalThis, 'setTimeout', (fire: () => void, ms: number) => {
    if (ms === 10) due.push(fire)
    return due.length
  })
  const closing = rejection(scope.close())
  t.mock.restoreAll()
  assert.equal(due.length, 1)
  due[0]?.()
  assert.ok((await closing) instanceof DisposeTimeoutError)
})

test('an app opens where timers are numbers', async () => {
  const lines = await script(`
    const { setTimeout: platform, clearTimeout: clear } = globalThis
    const timers = []
    globalThis.setTimeout = (...parameters) => timers.push(platform(...parameters)) - 1
    globalThis.clearTimeout = (index) => clear(timers[index])
    const app = createApp()
    console.log(await app.run({ timeout: 1_000 }, () => 'ran'))
    await app.close()
  `)
  assert.deepEqual(lines, ['ran'])
})

test('no timer is left of a scope that closes under the timers of a test', async () => {
  const lines = await script(`
    import { mock } from 'node:test'
    const app = createApp()
    await app.run({ timeout: 60_000 }, () => mock.timers.enable({ apis: ['setTimeout'] }))
    mock.timers.reset()
    console.log(process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length)
    process.exit()
  `)
  assert.deepEqual(lines, ['0'])
})

test('leaks are looked for after a test has put the timers back', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const told = Promise.withResolvers<string>()
  using _leaks = detectLeaks({
    level: 'simple',
    threshold: 10,
    onLeak: (leak) => told.resolve(leak.resource),
  })
  await using app = createApp()
  const kept = resource({ name: 'kept', acquire: () => 1, release: () => {} })
  const done = Promise.withResolvers<void>()
  const running = app.run(async (scope) => {
    await scope.get(kept)
    t.mock.timers.reset()
    await done.promise
  })
  assert.equal(await within(told.promise), 'kept')
  done.resolve()
  await running
})

test('a timeout passes though the clock was set forward beyond the deadline around it', async (t) => {
  await using app = createApp()
  await app.run({ timeout: 60_000 }, async (outer) => {
    t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: Date.now() + 3_600_000 })
    const inner = rejection(
      outer.run({ timeout: 10 }, ({ deadline, signal }) => {
        assert.equal(deadline, outer.deadline)
        return untilAborted(signal)
      }),
    )
    t.mock.timers.tick(10)
    t.mock.timers.reset()
    assert.match(String(await inner), /^TimeoutError/)
    assert.equal(outer.signal.aborted, false)
  })
})
