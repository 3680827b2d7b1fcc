/** Under the timers of a test every wait has its timer at once: the time may pass before any turn of the event loop. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createApp, DisposeTimeoutError, hold, type App } from 'unwind'
import { isSuppressed } from './support/suppressed.ts'
import { quiet, rejection, within } from './support/promises.ts'

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
