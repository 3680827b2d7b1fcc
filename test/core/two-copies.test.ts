/** Several copies of the package in one process, as two versions in one tree are: they share the ambient scope. */
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import * as here from 'unwind'
import { copyPackage } from '../support/copies.ts'
import { setUp } from './support/app.ts'
import { rejection, within } from './support/promises.ts'

// The same package, hence the same types.
const there = (await copyPackage()('index.js')) as typeof here

test('the copy is one: its classes are others', () => {
  assert.notEqual(there.createApp, here.createApp)
  assert.notEqual(there.ScopeClosedError, here.ScopeClosedError)
})

test('require gives what import gives', async (t) => {
  const { app } = setUp(t)
  const required = createRequire(import.meta.url)('unwind') as typeof here
  assert.equal(required.ScopeClosedError, here.ScopeClosedError)
  await app.run((scope) => assert.equal(required.currentScope(), scope))
})

for (const [name, outer, inner] of [
  ['the copy', here, there],
  ['the original', there, here],
] as const) {
  test(`inside a scope of the other, ${name} sees that scope`, async () => {
    const app = outer.createApp()
    await app.run(async (scope) => {
      assert.equal(inner.currentScope(), scope)
      await Promise.resolve()
      assert.equal(inner.tryCurrentScope(), scope)
      await inner.run({ name: 'inside' }, (child) => {
        assert.equal(child.parent, scope)
        assert.equal(outer.currentScope(), child)
      })
    })
    assert.equal(inner.tryCurrentScope(), undefined)
    await app.close()
  })

  test(`a resource of ${name} is acquired once and released in a scope of the other, in its place`, async () => {
    const app = outer.createApp()
    const events: string[] = []
    const config = outer.resource({ name: 'config', acquire: () => events.push('+config') })
    const lease = inner.resource(async function* lease({ get }) {
      await get(config)
      await inner.inject(config)
      events.push('+lease')
      yield 'lease'
      events.push('-lease')
    })
    const both = outer.resource({
      name: 'both',
      acquire: async () => `both(${await inner.inject(lease)})`,
      release: () => events.push('-both'),
    })
    const value = await app.run(async (scope) => {
      await Promise.all([inner.inject(lease), scope.get(lease)])
      return await outer.inject(both)
    })
    assert.equal(value, 'both(lease)')
    assert.deepEqual(events, ['+config', '+lease', '-both', '-lease'])
    await app.close()
  })

  test(`a circle through inject of ${name} is reported`, async () => {
    const app = outer.createApp()
    const a: here.Resource<unknown> = outer.resource({ name: 'a', acquire: () => inner.inject(b) })
    const b: here.Resource<unknown> = inner.resource({ name: 'b', acquire: () => inner.inject(a) })
    const error = await rejection(within(app.run((scope) => scope.get(a))))
    assert.equal((error as here.UnwindError).code, 'ERR_CIRCULAR_DEPENDENCY')
    await app.close()
  })

  test(`overrides, inputs and values of ${name} work in an app of the other`, async () => {
    const tenant = inner.input<string>('tenant')
    const real = inner.resource({ acquire: () => 'real' })
    const overrides = [inner.override(real, inner.value('fake'))]
    const app = outer.createApp({ overrides })
    const seen = await app.run(async (scope) => {
      scope.provide(tenant, 'acme')
      return [await inner.inject(tenant), await scope.get(real)]
    })
    assert.deepEqual(seen, ['acme', 'fake'])
    await app.close()
  })

  test(`errors of ${name} are known by their code and their shape in the other`, async () => {
    const app = inner.createApp()
    const error = await rejection(
      app.run((scope) => {
        scope.defer(() => Promise.reject(new Error('D')))
        throw new Error('B')
      }),
    )
    assert.equal((outer.primaryError(error) as Error).message, 'B')
    assert.match(outer.formatError(error), /^Error: B\n[^]*Error: D/)
    await app.close()
    const closed = await rejection(app.run(() => 1))
    assert.equal((closed as here.UnwindError).code, 'ERR_SCOPE_CLOSED')
  })

  test(`a body of the other that was abandoned ends a resource of ${name} by force`, async () => {
    const app = outer.createApp({ abandonAfter: 5 })
    const events: string[] = []
    const lease = inner.resource({
      acquire: () => 1,
      release: () => events.push('released'),
      destroy: () => events.push('destroyed'),
    })
    const running = app.run(async (scope) => {
      await scope.get(lease)
      scope.abort()
      await new Promise(() => {})
    })
    assert.equal(((await rejection(running)) as here.UnwindError).code, 'ERR_ABANDONED')
    assert.deepEqual(events, ['destroyed'])
    await app.close()
  })
}
