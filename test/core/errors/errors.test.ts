/** What closing throws when bodies and releases fail, and what each finalizer sees of it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resource, type Exit, type Scope } from 'unwind'
import { setUp, taken } from '../support/app.ts'
import { chain, ending, errorsOf } from '../support/chain.ts'
import { quiet, rejection } from '../support/promises.ts'

const B = new Error('B')

function fail(error: unknown): never {
  throw error
}

/** A finalizer that writes its exit down. */
function watch(scope: Scope, seen: string[]): void {
  scope.defer((exit: Exit) => seen.push(ending(exit)))
}

test('a body that succeeds gives its value, and its finalizers see success', async (t) => {
  const { app } = setUp(t)
  const seen: string[] = []
  const value = {}
  const result = await app.run(async (scope) => {
    watch(scope, seen)
    await quiet()
    return value
  })
  assert.equal(result, value)
  assert.deepEqual(seen, ['success'])
})

test('a body may return its value without a promise', async (t) => {
  const { app } = setUp(t)
  assert.equal(await app.run(() => 7), 7)
})

for (const how of ['throws', 'rejects'] as const) {
  test(`a body that ${how} rejects with that very error, and its finalizers see the failure`, async (t) => {
    const { app } = setUp(t)
    const seen: Exit[] = []
    const running = app.run((scope) => {
      scope.defer((exit) => seen.push(exit))
      return how === 'throws' ? fail(B) : Promise.reject(B)
    })
    assert.equal(await rejection(running), B)
    assert.equal(seen.length, 1)
    assert.equal(seen[0]?.status, 'failure')
    assert.equal(seen[0]?.status === 'failure' && seen[0].error, B)
  })
}

test('a failing body aborts the signal of its scope with its error', async (t) => {
  const { app } = setUp(t)
  let signal: AbortSignal | undefined
  const running = app.run((scope) => {
    ;({ signal } = scope)
    throw B
  })
  assert.equal(await rejection(running), B)
  assert.equal(signal?.aborted, true)
  assert.equal(signal?.reason, B)
})

const disposers: [name: string, register: (scope: Scope, error: unknown) => unknown][] = [
  ['a sync disposer', (scope, error) => scope.use({ [Symbol.dispose]: () => fail(error) })],
  [
    'an async disposer that throws',
    (scope, error) => scope.use({ [Symbol.asyncDispose]: () => fail(error) }),
  ],
  [
    'an async disposer that rejects at once',
    (scope, error) => scope.use({ [Symbol.asyncDispose]: async () => fail(error) }),
  ],
  [
    'an async disposer that rejects later',
    (scope, error) => scope.use({ [Symbol.asyncDispose]: () => quiet().then(() => fail(error)) }),
  ],
  ['an adopted release', (scope, error) => scope.adopt(1, () => fail(error))],
  ['a deferred callback', (scope, error) => scope.defer(() => quiet().then(() => fail(error)))],
  [
    'a release function',
    (scope, error) => scope.get(resource({ acquire: () => 1, release: () => fail(error) })),
  ],
  [
    'the finally of a generator',
    (scope, error) =>
      scope.get(
        resource(async function* () {
          try {
            yield 1
          } finally {
            fail(error)
          }
        }),
      ),
  ],
]

for (const [name, register] of disposers) {
  test(`${name} that fails does not stop the others, and its error is not wrapped`, async (t) => {
    const { app, tracker } = setUp(t)
    const D = new Error('D')
    const running = app.run(async (scope) => {
      await scope.get(tracker.resource('outer'))
      await register(scope, D)
      await scope.get(tracker.resource('inner'))
      return 'value'
    })
    assert.equal(await rejection(running), D)
    assert.deepEqual(tracker.exits, ['inner: success', 'outer: failure(D)'])
  })

  test(`${name} that fails after a failed body suppresses the body's error`, async (t) => {
    const { app, tracker } = setUp(t)
    const D = new Error('D')
    const running = app.run(async (scope) => {
      await scope.get(tracker.resource('outer'))
      await register(scope, D)
      throw B
    })
    const error = await rejection(running)
    assert.deepEqual(errorsOf(error), [D, B])
    assert.deepEqual(tracker.exits, ['outer: failure(S(D←B))'])
  })
}

test('several errors form one chain: the newest outside, the body innermost', async (t) => {
  const { app } = setUp(t)
  const seen: string[] = []
  const [D1, D2, D3] = [new Error('D1'), new Error('D2'), new Error('D3')]
  const running = app.run((scope) => {
    for (const error of [D3, D2, D1]) {
      watch(scope, seen)
      scope.defer(() => fail(error))
    }
    throw B
  })
  const error = await rejection(running)
  assert.deepEqual(errorsOf(error), [D3, D2, D1, B])
  assert.equal(chain(error), 'S(D3←S(D2←S(D1←B)))')
  assert.deepEqual(seen, [
    'failure(S(D1←B))',
    'failure(S(D2←S(D1←B)))',
    'failure(S(D3←S(D2←S(D1←B))))',
  ])
})

test('a suppressing error looks like the one of the language', async (t) => {
  const { app } = setUp(t)
  const error = await rejection(
    app.run((scope) => {
      scope.defer(() => fail(new Error('D')))
      throw B
    }),
  )
  assert.ok(error instanceof Error)
  assert.equal(error.name, 'SuppressedError')
  assert.deepEqual(Object.keys(error), [])
  if ('SuppressedError' in globalThis) assert.ok(error instanceof SuppressedError)
})

for (const nothing of [undefined, null, 0, '']) {
  const text = nothing === '' ? 'an empty string' : String(nothing)

  test(`throwing ${text} fails the scope`, async (t) => {
    const { app } = setUp(t)
    const seen: string[] = []
    const running = app.run((scope) => {
      watch(scope, seen)
      return fail(nothing)
    })
    assert.equal(await rejection(running), nothing)
    assert.deepEqual(seen, [`failure(${nothing})`])
  })

  test(`a release that throws ${text} fails the scope`, async (t) => {
    const { app } = setUp(t)
    const seen: string[] = []
    const running = app.run((scope) => {
      watch(scope, seen)
      scope.defer(() => fail(nothing))
    })
    assert.equal(await rejection(running), nothing)
    assert.deepEqual(seen, [`failure(${nothing})`])
  })

  test(`${text} takes its place in a chain, thrown by the body or by a release`, async (t) => {
    const { app } = setUp(t)
    const D = new Error('D')
    const thrownByBody = app.run((scope) => {
      scope.defer(() => fail(D))
      return fail(nothing)
    })
    assert.deepEqual(errorsOf(await rejection(thrownByBody)), [D, nothing])
    const thrownByRelease = app.run((scope) => {
      scope.defer(() => fail(nothing))
      scope.defer(() => Promise.reject(nothing))
      throw B
    })
    assert.deepEqual(errorsOf(await rejection(thrownByRelease)), [nothing, nothing, B])
  })
}

test('outer finalizers see the failure of an inner release, although the body succeeded', async (t) => {
  const { app } = setUp(t)
  const seen: string[] = []
  const running = app.run((scope) => {
    watch(scope, seen)
    scope.defer(() => fail(new Error('D2')))
    watch(scope, seen)
    scope.defer(() => fail(new Error('D1')))
    watch(scope, seen)
  })
  assert.equal(chain(await rejection(running)), 'S(D2←D1)')
  assert.deepEqual(seen, ['success', 'failure(D1)', 'failure(S(D2←D1))'])
})

test('a failing child counts as a failing release, before the resources of the scope itself', async (t) => {
  const { app, tracker } = setUp(t)
  const D = new Error('D')
  const running = app.run(async (scope) => {
    await scope.get(tracker.resource('own'))
    scope.child().defer(() => fail(D))
    throw B
  })
  assert.deepEqual(errorsOf(await rejection(running)), [D, B])
  assert.deepEqual(tracker.exits, ['own: failure(S(D←B))'])
})

test('a failing child alone makes its parent fail with that very error', async (t) => {
  const { app, tracker } = setUp(t)
  const D = new Error('D')
  const running = app.run(async (scope) => {
    await scope.get(tracker.resource('own'))
    scope.child().defer(() => fail(D))
  })
  assert.equal(await rejection(running), D)
  assert.deepEqual(tracker.exits, ['own: failure(D)'])
})

test('a nested run that failed and was caught leaves its parent successful', async (t) => {
  const { app, tracker } = setUp(t)
  await app.run(async (scope) => {
    await scope.get(tracker.resource('own'))
    assert.equal(await rejection(scope.run(() => fail(B))), B)
  })
  assert.deepEqual(tracker.exits, ['own: success'])
})

test('a failing release that is not critical is reported and changes neither result nor outcome', async (t) => {
  const { app, tracker, unthrown } = setUp(t)
  const D = new Error('D')
  const file = resource({
    name: 'file',
    critical: false,
    acquire: () => 1,
    release: () => Promise.reject(D),
  })
  const result = await app.run({ name: 'upload' }, async (scope) => {
    await scope.get(tracker.resource('transaction'))
    await scope.get(file)
    return 'value'
  })
  assert.equal(result, 'value')
  assert.deepEqual(tracker.exits, ['transaction: success'])
  assert.deepEqual(unthrown.splice(0), [
    { error: D, scope: 'upload', resource: 'file', late: undefined },
  ])
})

test("a failing release that is not critical leaves the body's error alone", async (t) => {
  const { app, unthrown } = setUp(t)
  const file = resource({ critical: false, acquire: () => 1, release: () => fail(new Error('D')) })
  const running = app.run(async (scope) => {
    await scope.get(file)
    throw B
  })
  assert.equal(await rejection(running), B)
  assert.deepEqual(taken(unthrown), ['D'])
})
