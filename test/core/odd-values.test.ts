/** What is awaited, given or released may be odd, and is still awaited, given and released once. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resource, type Scope } from 'unwind'
import { setUp } from './support/app.ts'

/** Of the engine, with a `then` of its own: `await` does not call that. */
function calledBackTwice(again: Promise<unknown>): Promise<void> {
  return Object.assign(Promise.resolve(), {
    // oxlint-disable-next-line unicorn/no-thenable -- the case under test
    then(done: () => void) {
      done()
      return again.then(done)
    },
  })
}

test('a promise that calls back twice ends one release, and not the next one too', async (t) => {
  const { app } = setUp(t)
  const again = Promise.withResolvers<void>()
  const events: string[] = []
  await app.run((scope: Scope): Promise<void> => {
    scope.defer(() => events.push('oldest'))
    scope.defer(async () => {
      events.push('begins')
      again.resolve()
      await new Promise((resolve) => setImmediate(resolve))
      events.push('ends')
    })
    scope.defer(() => calledBackTwice(again.promise))
    return calledBackTwice(again.promise)
  })
  assert.deepEqual(events, ['begins', 'ends', 'oldest'])
})

test('what a promise that calls back twice gives is released once', async (t) => {
  const { app } = setUp(t)
  let released = 0
  const twice = resource({
    acquire: () => calledBackTwice(Promise.resolve()),
    release: () => (released += 1),
  })
  await app.run((scope) => scope.get(twice))
  assert.equal(released, 1)
})

for (const [what, name] of [
  ['a method', (): void => {}],
  ['a symbol', Symbol('name')],
] as const) {
  test(`what a class makes that has ${what} called name is told of by another name`, async (t) => {
    const { app } = setUp(t, { disposeTimeout: 1 })
    class Named {
      [Symbol.asyncDispose](): Promise<void> {
        return new Promise(() => {})
      }
    }
    Object.defineProperty(Named, 'name', { value: name })
    const { name: other } = Named.prototype[Symbol.asyncDispose]
    const running = app.run((scope) => {
      scope.use(new Named())
      assert.equal(scope.inspect().resources[0]?.name, other)
    })
    await assert.rejects(running, { code: 'ERR_DISPOSE_TIMEOUT', resource: other })
  })
}
