/** Who owns an instance, who shares it, and what nesting changes about that. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NoScopeError, resource, ScopeClosedError, value, type Scope } from 'unwind'
import { setUp } from '../support/app.ts'
import { isPending, quiet, rejection, thrown, within } from '../support/promises.ts'

test('an app resource is one for all requests, and released when the app closes', async (t) => {
  const { app, tracker } = setUp(t)
  const pool = tracker.resource('pool', { lifetime: 'app' })
  const first = await app.run((scope) => scope.get(pool))
  const second = await app.run((scope) => scope.run((inner) => inner.get(pool)))
  assert.equal(first, second)
  assert.deepEqual(tracker.events, ['+pool'])
  await app.close()
  assert.deepEqual(tracker.events, ['+pool', '-pool'])
  assert.deepEqual(tracker.exits, ['pool: success'])
})

test("a child scope sees its parent's instances of longer lifetimes", async (t) => {
  const { app, tracker } = setUp(t)
  const pool = tracker.resource('pool', { lifetime: 'app' })
  const lease = tracker.resource('lease')
  await app.run(async (request) => {
    const held = [await request.get(pool), await request.get(lease)]
    const seen = await request.run((block) =>
      block.run(async (inner) => [await inner.get(pool), await inner.get(lease)]),
    )
    assert.deepEqual(seen, held)
    assert.equal(seen[0] === held[0] && seen[1] === held[1], true)
  })
})

test('a request resource first asked for in a nested block belongs to the request, not to the block', async (t) => {
  const { app, tracker } = setUp(t)
  const lease = tracker.resource('lease')
  await app.run(async (request) => {
    const inner = await request.run((block) => block.get(lease))
    assert.deepEqual(tracker.events, ['+lease'])
    assert.equal(await request.get(lease), inner)
    assert.equal(await request.run((block) => block.get(lease)), inner)
  })
  assert.deepEqual(tracker.events, ['+lease', '-lease'])
})

test('a failing block does not fail the request resources that it used', async (t) => {
  const { app, tracker } = setUp(t)
  const lease = tracker.resource('lease')
  await app.run(async (request) => {
    const failing = request.run(async (block) => {
      await block.get(lease)
      throw new Error('B')
    })
    await rejection(failing)
  })
  assert.deepEqual(tracker.exits, ['lease: success'])
})

test('a scope resource belongs to the nearest scope', async (t) => {
  const { app, tracker } = setUp(t)
  const savepoint = tracker.resource('savepoint', { lifetime: 'scope' })
  await app.run(async (request) => {
    const outer = await request.get(savepoint)
    await request.run(async (block) => {
      const inner = await block.get(savepoint)
      assert.notEqual(inner, outer)
      assert.equal(await block.get(savepoint), inner)
    })
    assert.deepEqual(tracker.events, ['+savepoint', '+savepoint', '-savepoint'])
    assert.equal(await request.get(savepoint), outer)
  })
})

test('what a request resource depends on belongs to the request too, whoever asked first', async (t) => {
  const { app, tracker } = setUp(t)
  const owners: Scope[] = []
  const settings = resource({
    name: 'settings',
    lifetime: 'scope',
    acquire: ({ scope }) => owners.push(scope),
  })
  const lease = tracker.resource('lease', { onAcquire: ({ get }) => get(settings) })
  await app.run(async (request) => {
    await request.run((block) => block.get(lease))
    assert.deepEqual(owners, [request])
  })
})

test('a block of kind request has request resources of its own', async (t) => {
  const { app, tracker } = setUp(t)
  const lease = tracker.resource('lease')
  await app.run(async (socket) => {
    const outer = await socket.get(lease)
    const inner = await socket.run({ kind: 'request' }, async (message) => {
      assert.equal(message.kind, 'request')
      const own = await message.get(lease)
      assert.equal(await message.run((block) => block.get(lease)), own)
      return own
    })
    assert.notEqual(inner, outer)
    assert.deepEqual(tracker.events, ['+lease', '+lease', '-lease'])
    assert.equal(await socket.get(lease), outer)
  })
})

test('without a scope of kind request, a request resource belongs to the outermost scope below the app', async (t) => {
  const { app, tracker } = setUp(t)
  const lease = tracker.resource('lease')
  await app.run({ kind: 'scope' }, async (outermost) => {
    assert.equal(outermost.kind, 'scope')
    const inner = await outermost.run((block) => block.run((deeper) => deeper.get(lease)))
    assert.deepEqual(tracker.events, ['+lease'])
    assert.equal(await outermost.get(lease), inner)
  })
})

test('a request resource asked of the app itself is a NoScopeError that says what to do', async (t) => {
  const { app, tracker } = setUp(t)
  const error = await rejection(app.get(tracker.resource('lease')))
  assert.ok(error instanceof NoScopeError)
  assert.equal(error.code, 'ERR_NO_SCOPE')
  assert.match(error.message, /"lease".*app\.run/)
  assert.equal(tracker.count('lease'), 0)
})

test('a scope directly under an app is a request scope, one below that a scope', async (t) => {
  const { app } = setUp(t)
  const request = app.child()
  const block = request.child()
  assert.deepEqual([app.kind, request.kind, block.kind], ['app', 'request', 'scope'])
  assert.deepEqual([app.parent, request.parent, block.parent], [undefined, app, request])
})

test('every scope has an id of its own, and its kind for a name where it got none', async (t) => {
  const { app } = setUp(t, { name: 'shop' })
  const scopes = [app, app.child(), app.child({ name: 'checkout' }), app.child().child()]
  assert.equal(new Set(scopes.map(({ id }) => id)).size, scopes.length)
  assert.deepEqual(
    scopes.map(({ name }) => name),
    ['shop', 'request', 'checkout', 'scope'],
  )
})

test('closing a child never closes its parent', async (t) => {
  const { app, tracker } = setUp(t)
  const parent = app.child()
  await parent.get(tracker.resource('lease'))
  const child = parent.child()
  await child.close()
  assert.deepEqual([child.state, parent.state, app.state], ['closed', 'open', 'open'])
  assert.deepEqual(tracker.events, ['+lease'])
})

test('a value is never released, whatever disposers it has', async (t) => {
  const { app, tracker } = setUp(t)
  const { events } = tracker
  const owned = {
    [Symbol.dispose]: () => void events.push('disposed'),
    [Symbol.asyncDispose]: async () => void events.push('disposed'),
  }
  const config = value(owned, { name: 'config' })
  assert.deepEqual([config.name, value(1).name], ['config', 'value'])
  assert.equal(await app.get(config), owned)
  await app.run(async (scope) => {
    assert.equal(await scope.get(config), owned)
  })
  await app.close()
  assert.deepEqual(events, [])
})

test('a falsy value is a value', async (t) => {
  const { app } = setUp(t)
  await app.run(async (scope) => {
    for (const falsy of [0, '', null, undefined, false]) {
      assert.equal(await scope.get(value(falsy)), falsy)
    }
  })
})

test('opening a scope under a closing or closed one throws', async (t) => {
  const { app } = setUp(t)
  const gate = Promise.withResolvers<void>()
  const parent = app.child({ name: 'parent' })
  parent.defer(() => gate.promise)
  const closing = parent.close()
  assert.equal(await isPending(closing), true)
  for (const state of ['closing', 'closed'] as const) {
    assert.equal(parent.state, state)
    const error = thrown(() => parent.child())
    assert.ok(error instanceof ScopeClosedError)
    assert.match(error.message, /child\(\).*"parent"/)
    assert.ok((await rejection(parent.run(() => {}))) instanceof ScopeClosedError)
    gate.resolve()
    await within(closing)
  }
})

test('an app with requests that still end takes no new ones', async (t) => {
  const { app } = setUp(t)
  const gate = Promise.withResolvers<void>()
  const running = app.run(() => gate.promise)
  const closing = app.close()
  await quiet()
  assert.equal(app.state, 'draining')
  assert.ok((await rejection(app.run(() => {}))) instanceof ScopeClosedError)
  assert.ok(thrown(() => app.child()) instanceof ScopeClosedError)
  gate.resolve()
  await within(Promise.all([running, closing]))
})

test('a transient resource with a release in the app scope is refused or warned about', async (t) => {
  const { app, tracker } = setUp(t)
  const cursor = tracker.resource('cursor', { lifetime: 'transient' })
  const warned = Promise.withResolvers<string>()
  const listener = (warning: Error): void => warned.resolve(warning.message)
  process.once('warning', listener)
  t.after(() => process.off('warning', listener))
  const refused = app.get(cursor).then(
    () => undefined,
    (error: unknown) => String(error),
  )
  assert.match((await refused) ?? (await within(warned.promise)), /cursor/)
})

test('a transient resource without a release may be asked of the app', async (t) => {
  const { app } = setUp(t)
  const id = resource({ name: 'id', lifetime: 'transient', acquire: () => ({}) })
  assert.notEqual(await app.get(id), await app.get(id))
})

test('a transient resource with a release is refused, too, where a service of the app asks for one with each call', async (t) => {
  const { app, tracker } = setUp(t)
  const cursor = tracker.resource('cursor', { lifetime: 'transient' })
  const service = resource({
    lifetime: 'app',
    acquire: async ({ get }) => {
      await get(cursor)
      return { get }
    },
  })
  const { get } = await app.get(service)
  assert.match(String(await rejection(get(cursor))), /^TypeError: The transient resource "cursor"/)
  assert.deepEqual(tracker.held, ['cursor'])
})
