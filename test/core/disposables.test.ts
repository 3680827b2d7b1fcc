/** What `use`, `adopt` and `defer` take, and what of it is waited for. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hold, resource, type Scope } from 'unwind'
import { AsyncDisposableStack, DisposableStack } from 'unwind/stack'
import { setUp } from './support/app.ts'
import { isPending, thrown, within } from './support/promises.ts'

test('use, adopt and resources give the value itself', async (t) => {
  const { app } = setUp(t)
  const disposable = { [Symbol.dispose]: () => {} }
  const plain = {}
  await app.run(async (scope) => {
    assert.equal(scope.use(disposable), disposable)
    assert.equal(
      scope.adopt(plain, () => {}),
      plain,
    )
    assert.equal(await scope.get(resource({ acquire: () => plain })), plain)
  })
})

test('use ignores null and undefined', async (t) => {
  const { app } = setUp(t)
  await app.run((scope) => {
    assert.equal(scope.use(null), null)
    assert.equal(scope.use(undefined), undefined)
  })
})

test('use of a promise says that it is to be awaited', async (t) => {
  const { app } = setUp(t)
  const scope = app.child()
  const opening = Promise.resolve({ [Symbol.dispose]: () => {} })
  assert.throws(() => scope.use(opening as never), {
    name: 'TypeError',
    message: /received an instance of Promise\. Await it first: use\(await …\)\.$/,
  })
  assert.throws(() => scope.use({} as never), /received \{\}\. For anything else: adopt\(value/)
})

test('use of a stack says what to do with what it cannot take', () => {
  const stacks: Pick<AsyncDisposableStack, 'use'>[] = [
    new DisposableStack() as never,
    new AsyncDisposableStack(),
  ]
  for (const stack of stacks) {
    const use = (value: unknown) => (): unknown => stack.use(value as never)
    assert.throws(use(Promise.resolve()), /Promise\. Await it first: use\(await …\)\.$/)
    assert.throws(use({}), /For anything else: adopt\(value, release\)\.$/)
  }
  const held = hold({}, () => {})
  assert.throws(() => new DisposableStack().use(held as never), {
    name: 'TypeError',
    message:
      /received an instance of Hold\. What is released asynchronously goes into an AsyncDisposableStack\./,
  })
})

test('use takes a function that can be disposed', async (t) => {
  const { app, tracker } = setUp(t)
  const stop = Object.assign(() => {}, {
    [Symbol.dispose]: () => void tracker.events.push('stopped'),
  })
  await app.run((scope) => {
    scope.use(stop)
  })
  assert.deepEqual(tracker.events, ['stopped'])
})

test('use prefers the async disposer, calls it with the value as `this` and without arguments', async (t) => {
  const { app } = setUp(t)
  const calls: unknown[] = []
  const both = {
    [Symbol.dispose]: () => void calls.push('sync'),
    [Symbol.asyncDispose](this: unknown, ...parameters: unknown[]): Promise<void> {
      calls.push(this, parameters)
      return Promise.resolve()
    },
  }
  await app.run((scope) => {
    scope.use(both)
  })
  assert.deepEqual(calls, [both, []])
})

test('a null async disposer counts as absent', async (t) => {
  const { app, tracker } = setUp(t)
  const value = {
    [Symbol.asyncDispose]: null,
    [Symbol.dispose]: () => void tracker.events.push('sync'),
  }
  await app.run((scope) => {
    scope.use(value)
  })
  assert.deepEqual(tracker.events, ['sync'])
})

for (const [what, value] of [
  ['a plain object', {}],
  ['a number', 1],
  ['an object whose disposer is no function', { [Symbol.dispose]: 1 }],
] as const) {
  test(`use refuses ${what} and says what to do`, async (t) => {
    const { app } = setUp(t)
    const scope = app.child()
    const error = thrown(() => scope.use(value as unknown as Disposable))
    assert.ok(error instanceof TypeError)
    assert.match(error.message, /Symbol\.(asyncD|d)ispose/)
  })
}

test('disposal methods are looked up once, at registration', async (t) => {
  const { app, tracker } = setUp(t)
  let lookups = 0
  const counting = {
    get [Symbol.asyncDispose]() {
      lookups++
      return () => Promise.resolve()
    },
  }
  const replaced = { [Symbol.dispose]: () => void tracker.events.push('original') }
  await app.run((scope) => {
    scope.use(counting)
    scope.use(replaced)
    assert.equal(lookups, 1)
    replaced[Symbol.dispose] = () => void tracker.events.push('replacement')
  })
  assert.equal(lookups, 1)
  assert.deepEqual(tracker.events, ['original'])
})

test("the disposer of a resource's own value is looked up once, at its arrival", async (t) => {
  const { app, tracker } = setUp(t)
  const value = { [Symbol.dispose]: () => void tracker.events.push('original') }
  await app.run(async (scope) => {
    await scope.get(resource({ acquire: () => value }))
    value[Symbol.dispose] = () => void tracker.events.push('replacement')
  })
  assert.deepEqual(tracker.events, ['original'])
})

test('a resource without release is released with its own disposer, the async one first', async (t) => {
  const { app, tracker } = setUp(t)
  const { events } = tracker
  const both = {
    [Symbol.dispose]: () => void events.push('sync'),
    [Symbol.asyncDispose]: async () => void events.push('async'),
  }
  await app.run((scope) => scope.get(resource({ acquire: () => both })))
  assert.deepEqual(events, ['async'])
})

test('a release function replaces the disposer of the value', async (t) => {
  const { app, tracker } = setUp(t)
  const value = { [Symbol.dispose]: () => void tracker.events.push('disposer') }
  const owned = resource({
    acquire: () => value,
    release: () => tracker.events.push('release'),
  })
  await app.run((scope) => scope.get(owned))
  assert.deepEqual(tracker.events, ['release'])
})

const never = new Promise<void>(() => {})

test('a promise returned by a sync disposer is not awaited', async (t) => {
  const { app } = setUp(t)
  const value = { [Symbol.dispose]: () => never as unknown as undefined }
  await within(
    app.run(async (scope) => {
      scope.use(value)
      await scope.get(resource({ acquire: () => value }))
    }),
  )
})

for (const kind of ['release', 'adopt', 'defer', 'async disposer'] as const) {
  test(`a promise returned by ${kind} is awaited`, async (t) => {
    const { app } = setUp(t)
    const gate = Promise.withResolvers<void>()
    const release = (): Promise<void> => gate.promise
    const closing = app.run(async (scope) => {
      if (kind === 'release') await scope.get(resource({ acquire: () => 1, release }))
      else if (kind === 'adopt') scope.adopt(1, release)
      else if (kind === 'defer') scope.defer(release)
      else scope.use({ [Symbol.asyncDispose]: release })
    })
    assert.equal(await isPending(closing), true)
    gate.resolve()
    await within(closing)
  })
}

test('a thenable that is no promise is awaited too', async (t) => {
  const { app } = setUp(t)
  const gate = Promise.withResolvers<void>()
  const closing = app.run((scope) => {
    // oxlint-disable-next-line unicorn/no-thenable -- the case under test
    scope.defer(() => ({ then: (onEnd: () => void) => gate.promise.then(onEnd) }))
  })
  assert.equal(await isPending(closing), true)
  gate.resolve()
  await within(closing)
})

const notFunctions: [name: string, act: (scope: Scope) => unknown][] = [
  ['adopt', (scope) => scope.adopt(1, undefined as never)],
  ['defer', (scope) => scope.defer(1 as never)],
]
for (const [name, act] of notFunctions) {
  test(`${name} refuses what is no function, by name`, (t) => {
    const { app } = setUp(t)
    const error = thrown(() => act(app.child()))
    assert.ok(error instanceof TypeError)
    assert.match(error.message, new RegExp(`${name}\\(\\) to be a function, received`))
  })
}
