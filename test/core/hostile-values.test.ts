/** What is thrown or given may refuse to be looked at: a revoked proxy, a getter that throws. It is an error like any other. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { suite, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { inspect } from 'node:util'
import { createApp, formatError, hold, primaryError, resource, type Scope } from 'unwind'
import { setUp } from './support/app.ts'
import { within } from './support/promises.ts'

const refusing = new Error('refused to be looked at')

function refuse(): never {
  throw refusing
}

const showing = { [inspect.custom]: refuse }

const hostile: [string, () => unknown][] = [
  [
    'a revoked proxy',
    () => {
      const { proxy, revoke } = Proxy.revocable({}, {})
      revoke()
      return proxy
    },
  ],
  [
    'a proxy whose traps throw',
    () =>
      new Proxy(
        {},
        { get: refuse, getOwnPropertyDescriptor: refuse, getPrototypeOf: refuse, has: refuse },
      ),
  ],
  [
    'an error whose getters throw',
    () =>
      Object.defineProperties(new Error('E'), {
        cause: { get: refuse },
        code: { get: refuse },
        error: { get: refuse },
        suppressed: { get: refuse },
      }),
  ],
]

/** Where it is thrown, and whether it is all that goes wrong. */
const places: [string, (scope: Scope, thrown: unknown) => unknown, boolean][] = [
  ['by the body', (_scope, thrown) => Promise.reject(thrown), true],
  ['by a release', (scope, thrown) => scope.defer(() => fail(thrown)), true],
  [
    'by an asynchronous release',
    (scope, thrown) => scope.defer(() => Promise.reject(thrown)),
    true,
  ],
  [
    'by a release after the body failed',
    (scope, thrown) => {
      scope.defer(() => fail(thrown))
      throw new Error('B')
    },
    false,
  ],
  [
    'by the body, before a release fails',
    (scope, thrown) => {
      scope.defer(() => fail(new Error('D')))
      throw thrown
    },
    false,
  ],
  [
    'by an acquire function',
    (scope, thrown) => scope.get(resource({ acquire: () => fail(thrown) })),
    true,
  ],
  [
    'by a generator after its yield',
    (scope, thrown) =>
      scope.get(
        resource(async function* () {
          yield {}
          fail(thrown)
        }),
      ),
    true,
  ],
  [
    'by a generator that was thrown something else',
    async (scope, thrown) => {
      const translating = resource(async function* () {
        try {
          yield {}
        } catch {
          fail(thrown)
        }
      })
      await scope.get(translating)
      throw new Error('B')
    },
    false,
  ],
  [
    'into a generator',
    async (scope, thrown) => {
      await scope.get(resource(oneYield))
      throw thrown
    },
    true,
  ],
  ['by a task', (scope, thrown) => void scope.fork(() => fail(thrown)), true],
]

async function* oneYield(): AsyncGenerator<object> {
  yield {}
}

function fail(thrown: unknown): never {
  throw thrown
}

for (const [what, make] of hostile) {
  suite(`${what}, thrown`, () => {
    for (const [where, act, alone] of places) {
      test(`${where}, stops no release, and is not lost`, async (t) => {
        const { app } = setUp(t)
        const thrown = make()
        let released = false
        let opened: Scope | undefined
        const running = app.run(async (scope) => {
          opened = scope
          scope.defer(() => {
            released = true
          })
          await act(scope, thrown)
        })
        // In an object, because resolving a promise with it would look for a `then`.
        const { error } = await within(running.then(refuse, (error: unknown) => ({ error })))
        assert.ok(released)
        assert.equal(opened?.state, 'closed')
        if (alone) assert.ok(Object.is(error, thrown))
        else assert.match(formatError(error), /Error: [BD]\b/)
        assert.equal(typeof formatError(error), 'string')
        primaryError(error)
      })
    }
  })
}

for (const [what, make] of [
  ...hostile,
  ['an error that fails at showing itself', () => Object.assign(new Error('E'), showing)],
] satisfies typeof hostile) {
  test(`${what}, of which nobody can be told, is a warning, and stops no release`, async () => {
    const app = createApp()
    const warned = once(process, 'warning')
    const release = (): never => fail(make())
    const lease = resource({ name: 'lease', critical: false, acquire: () => 1, release })
    let released = false
    const running = app.run(async (scope) => {
      scope.defer(() => {
        released = true
      })
      return await scope.get(lease)
    })
    assert.equal(await within(running), 1)
    assert.ok(released)
    assert.match(
      String(await within(warned)),
      /"lease" in the scope .* failed when nobody could be/,
    )
    await app.close()
  })
}

test('what cannot be looked at once it is released, fails by its own error and stops no release', async (t) => {
  const { app } = setUp(t)
  const failure = new Error('D')
  const { proxy, revoke } = Proxy.revocable<Disposable>({ [Symbol.dispose]: fall }, {})
  function fall(): never {
    revoke()
    throw failure
  }
  let released = false
  const running = app.run((scope) => {
    scope.defer(() => {
      released = true
    })
    scope.use(proxy)
  })
  await assert.rejects(within(running), failure)
  assert.ok(released)
})

for (const [what, make] of hostile) {
  test(`${what}, adopted, does not keep inspect() from telling what is held`, async (t) => {
    const { app } = setUp(t)
    await app.run((scope) => {
      scope.adopt(make(), () => {})
      assert.equal(scope.inspect().resources.length, 1)
    })
  })
}

for (const [what, make] of hostile) {
  test(`${what}, as the reason of an abort, keeps no shutdown from counting its scope`, async (t) => {
    const { app } = setUp(t)
    const running = app.run(async (scope) => {
      scope.abort(make())
      await turn()
      return 'done'
    })
    const { drained, aborted } = await app.shutdown()
    assert.deepEqual([drained, aborted, await running], [1, 0, 'done'])
  })
}

const given: typeof hostile = [
  ...hostile,
  ['an object that does not tell its class', () => Object.create(hiding('constructor'))],
  ['an object that does not tell its tag', () => hiding(Symbol.toStringTag)],
]

function hiding(key: PropertyKey): object {
  return Object.defineProperty({}, key, { get: refuse })
}

for (const [what, make] of given) {
  test(`${what}, given instead of what was asked for, is refused by the name of that`, () => {
    const value = make() as never // of no type: that is what is tried
    assert.throws(
      () => hold({}, value),
      /^TypeError: Expected the second argument of hold\(\) to be/,
    )
  })
}

test('a value that does not tell its prototype is a value like any other', async (t) => {
  const { app } = setUp(t)
  const value: object = new Proxy({}, { getPrototypeOf: refuse })
  const hiding = resource({ acquire: () => value, release() {} })
  assert.equal(await app.run((scope) => scope.get(hiding).then((given) => given === value)), true)
})

test('what only looks like a promise is refused as a thenable, with what to do', async (t) => {
  const { app } = setUp(t)
  const lookalike = resource({ acquire: () => Object.create(Promise.prototype) as object })
  await assert.rejects(
    app.run((scope) => scope.get(lookalike)),
    /^TypeError: .* has a then\(\) method .*Wrap it in an object/,
  )
})
