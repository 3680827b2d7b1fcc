/** One instance for each lifetime and identity, acquired once however many ask. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resource } from 'unwind'
import { setUp } from '../support/app.ts'
import { isPending, quiet, rejection, within } from '../support/promises.ts'
import { script } from '../support/script.ts'

test('a resource is acquired once in a scope, and its dependents share it', async (t) => {
  const { app, tracker } = setUp(t)
  const connection = tracker.resource('connection')
  const users = tracker.resource('users', { onAcquire: ({ get }) => get(connection) })
  const orders = tracker.resource('orders', { onAcquire: ({ get }) => get(connection) })
  await app.run(async (scope) => {
    await scope.get(users)
    await scope.get(orders)
    assert.equal(await scope.get(connection), await scope.get(connection))
  })
  assert.equal(tracker.count('connection'), 1)
})

test('each request has an instance of its own', async (t) => {
  const { app, tracker } = setUp(t)
  const connection = tracker.resource('connection')
  const [first, second] = await Promise.all([
    app.run((scope) => scope.get(connection)),
    app.run((scope) => scope.get(connection)),
  ])
  assert.notEqual(first, second)
})

test('two resources of one name are two resources', async (t) => {
  const { app, tracker } = setUp(t)
  const [first, second] = [tracker.resource('same'), tracker.resource('same')]
  await app.run(async (scope) => {
    assert.notEqual(await scope.get(first), await scope.get(second))
  })
  assert.equal(tracker.count('same'), 2)
})

test('concurrent first resolutions share one acquisition', async (t) => {
  const { app, tracker } = setUp(t)
  const gate = Promise.withResolvers<void>()
  const connection = tracker.resource('connection', { onAcquire: () => gate.promise })
  const dependents = ['a', 'b'].map((name) =>
    tracker.resource(name, { onAcquire: ({ get }) => get(connection) }),
  )
  await app.run(async (scope) => {
    const all = [scope.get(connection), ...dependents.map((one) => scope.get(one))]
    all.push(scope.run((inner) => inner.get(connection)))
    await quiet()
    gate.resolve()
    await Promise.all(all)
  })
  assert.equal(tracker.count('connection'), 1)
})

test('who asks first for what is acquired at once has it first', async (t) => {
  const { app } = setUp(t)
  const order: number[] = []
  const file = resource({ name: 'file', lifetime: 'app', acquire: () => ({}) })
  const asked = [1, 2, 3].map((number) =>
    app.run(async (scope) => {
      await scope.get(file)
      order.push(number)
    }),
  )
  await Promise.all(asked)
  assert.deepEqual(order, [1, 2, 3])
})

test('a caller that gives up leaves the acquisition to the others', async (t) => {
  const { app, tracker } = setUp(t)
  const gate = Promise.withResolvers<void>()
  const reason = new Error('gave up')
  const connection = tracker.resource('connection', { onAcquire: () => gate.promise })
  await app.run(async (scope) => {
    const controller = new AbortController()
    const impatient = rejection(scope.get(connection, { signal: controller.signal }))
    const patient = scope.get(connection)
    controller.abort(reason)
    assert.equal(await impatient, reason)
    assert.equal(await isPending(patient), true)
    gate.resolve()
    assert.equal((await patient).name, 'connection')
  })
})

test('a caller whose signal has aborted already is refused at once, and nothing is acquired', async (t) => {
  const { app, tracker } = setUp(t)
  const reason = new Error('gave up')
  const connection = tracker.resource('connection')
  await app.run(async (scope) => {
    const signal = AbortSignal.abort(reason)
    assert.equal(await rejection(scope.get(connection, { signal })), reason)
  })
  assert.equal(tracker.count('connection'), 0)
})

test('a caller whose signal the acquire function itself aborts at once is refused, and the others are not', async (t) => {
  const { app, tracker } = setUp(t)
  const reason = new Error('gave up')
  const caller = new AbortController()
  const connection = tracker.resource('connection', { onAcquire: () => caller.abort(reason) })
  await app.run(async (scope) => {
    const { signal } = caller
    assert.equal(await rejection(scope.get(connection, { signal })), reason)
    assert.equal((await scope.get(connection)).name, 'connection')
  })
  assert.equal(tracker.count('connection'), 1)
})

test('the signal of an acquisition is that of the scope that will own it', async (t) => {
  const { app } = setUp(t)
  const caller = new AbortController()
  let seen: AbortSignal | undefined
  const pool = resource({
    lifetime: 'app',
    acquire: ({ signal }) => {
      seen = signal
      return {}
    },
  })
  await app.run(async (scope) => {
    await scope.get(pool, { signal: caller.signal })
    scope.abort()
    caller.abort()
  })
  assert.equal(seen, app.signal)
  assert.equal(app.signal.aborted, false)
})

test('when the scope of the first caller is aborted, the second caller still gets the value', async (t) => {
  const { app, tracker } = setUp(t)
  const gate = Promise.withResolvers<void>()
  const reason = new Error('left')
  const pool = tracker.resource('pool', { lifetime: 'app', onAcquire: () => gate.promise })
  const [first, second] = [app.child(), app.child()]
  const leaving = rejection(first.get(pool))
  const staying = second.get(pool)
  first.abort(reason)
  assert.equal(await leaving, reason)
  gate.resolve()
  assert.equal((await within(staying)).name, 'pool')
  assert.equal(tracker.count('pool'), 1)
})

for (const falsy of [0, '', null, undefined, false, Number.NaN]) {
  test(`${falsy === '' ? 'an empty string' : String(falsy)} is cached as any other value`, async (t) => {
    const { app } = setUp(t)
    let acquired = 0
    let released = 0
    const empty = resource({
      acquire: () => {
        acquired++
        return falsy
      },
      release: () => {
        released++
      },
    })
    const generated = resource(async function* () {
      acquired++
      yield falsy
      released++
    })
    await app.run(async (scope) => {
      for (const one of [empty, empty, generated, generated]) {
        assert.equal(Object.is(await scope.get(one), falsy), true)
      }
    })
    assert.deepEqual({ acquired, released }, { acquired: 2, released: 2 })
  })
}

test('a promise of the class that a program put in the place of Promise is awaited, as with zone.js', async () => {
  const lines = await script(`
    const Native = Promise
    class Replaced {
      constructor(executor) { this.promise = new Native(executor) }
      then(...listeners) { return this.promise.then(...listeners) }
      catch(listener) { return this.promise.catch(listener) }
    }
    for (const name of ['resolve', 'reject']) Replaced[name] = (given) => Native[name](given)
    globalThis.Promise = Replaced
    const later = resource({ acquire: () => new Promise((resolve) => resolve('value')), release: () => {} })
    console.log(await run((scope) => scope.get(later)))
    process.exit()`)
  assert.deepEqual(lines, ['value'])
})

test('a transient resource is new for every get, and owned and released by the scope that asked', async (t) => {
  const { app, tracker } = setUp(t)
  const cursor = tracker.resource('cursor', { lifetime: 'transient' })
  await app.run(async (scope) => {
    const outer = await scope.get(cursor)
    await scope.run(async (inner) => {
      const [one, two] = await Promise.all([inner.get(cursor), inner.get(cursor)])
      assert.equal(new Set([outer, one, two]).size, 3)
    })
    assert.deepEqual(tracker.held, ['cursor'])
    assert.equal(tracker.find('cursor')[0], outer)
  })
  assert.equal(tracker.count('cursor'), 3)
})

test('a transient dependency is new for each dependent', async (t) => {
  const { app, tracker } = setUp(t)
  const cursor = tracker.resource('cursor', { lifetime: 'transient' })
  const seen: unknown[] = []
  const dependents = ['a', 'b'].map((name) =>
    tracker.resource(name, { onAcquire: async ({ get }) => seen.push(await get(cursor)) }),
  )
  await app.run(async (scope) => {
    for (const one of dependents) await scope.get(one)
  })
  assert.equal(new Set(seen).size, 2)
})

test('what comes too late takes nothing of the one along that was asked for since, of few or of many', async (t) => {
  for (const others of [0, 10]) {
    const { app, tracker } = setUp(t)
    const gate = Promise.withResolvers<void>()
    const waits = [gate.promise]
    const slow = tracker.resource('slow', { acquireTimeout: 1, onAcquire: () => waits.pop() })
    const scope = app.child()
    for (let at = 0; at < others; at += 1) await scope.get(tracker.resource(`other ${at}`))
    await rejection(scope.get(slow))
    const second = await scope.get(slow)
    gate.resolve()
    await quiet()
    assert.equal(tracker.events.at(-1), '-slow')
    assert.equal(await scope.get(slow), second)
  }
})

test('a hundred resources in one scope are acquired once each, and released in reverse order', async (t) => {
  const { app, tracker } = setUp(t)
  const names = Array.from({ length: 100 }, (_, index) => `r${index}`)
  const resources = names.map((name) => tracker.resource(name))
  const broken = resource({ acquire: () => Promise.reject(new Error('A')) })
  await app.run(async (scope) => {
    const first = await Promise.all(resources.map((one) => scope.get(one)))
    await rejection(scope.get(broken))
    await rejection(scope.get(broken))
    for (const [index, one] of resources.entries()) {
      assert.equal(await scope.get(one), first[index])
    }
  })
  assert.deepEqual(tracker.events, [
    ...names.map((name) => `+${name}`),
    ...names.toReversed().map((name) => `-${name}`),
  ])
})
