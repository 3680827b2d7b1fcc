/** Generator resources: one `yield`, what stands before it acquires, what stands after it releases. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { resource, ScopeIncompleteError, type Success } from 'unwind'
import { setUp, taken } from '../support/app.ts'
import { chain, errorsOf } from '../support/chain.ts'
import { quiet, rejection, within } from '../support/promises.ts'

const B = new Error('B')

function fail(error: unknown): never {
  throw error
}

test('on success the yield gives the exit, and the code after it runs', async (t) => {
  const { app, tracker } = setUp(t)
  let exit: Success | undefined
  const transaction = resource(async function* transaction() {
    exit = yield 'value'
    await quiet()
    tracker.events.push('commit')
  })
  assert.equal(await app.run((scope) => scope.get(transaction)), 'value')
  assert.equal(exit?.status, 'success')
  assert.equal(exit?.signal.aborted, false)
  assert.deepEqual(tracker.events, ['commit'])
})

test("on failure the body's error is thrown at the yield: catch and finally run, the code after it does not", async (t) => {
  const { app, tracker } = setUp(t)
  const { events } = tracker
  let seen: unknown
  const transaction = resource(async function* transaction() {
    try {
      yield 1
      events.push('commit')
    } catch (error) {
      seen = error
      events.push('rollback')
      throw error
    } finally {
      events.push('release')
    }
  })
  const running = app.run(async (scope) => {
    await scope.get(transaction)
    throw B
  })
  assert.equal(await rejection(running), B)
  assert.equal(seen, B)
  assert.deepEqual(events, ['rollback', 'release'])
})

for (const [kind, make] of [
  [
    'an async generator',
    (end: (error: unknown) => void) =>
      resource(async function* () {
        try {
          yield 1
        } catch (error) {
          await quiet()
          end(error)
        }
      }),
  ],
  [
    'a sync generator',
    (end: (error: unknown) => void) =>
      resource(function* () {
        try {
          yield 1
        } catch (error) {
          end(error)
        }
      }),
  ],
] as const) {
  const failing = async (
    t: TestContext,
    end: (error: unknown) => void,
  ): Promise<{ error: unknown; exits: string[] }> => {
    const { app, tracker } = setUp(t)
    const running = app.run(async (scope) => {
      await scope.get(tracker.resource('outer'))
      await scope.get(make(end))
      throw B
    })
    return { error: await rejection(running), exits: tracker.exits }
  }

  test(`${kind} that rethrows the same error adds nothing`, async (t) => {
    const { error, exits } = await failing(t, fail)
    assert.equal(error, B)
    assert.deepEqual(exits, ['outer: failure(B)'])
  })

  test(`${kind} that throws an error caused by the body's translates it`, async (t) => {
    const E = new Error('E', { cause: B })
    const { error, exits } = await failing(t, () => fail(E))
    assert.equal(error, E)
    assert.deepEqual(exits, ['outer: failure(E)'])
  })

  test(`${kind} that throws any other error suppresses the body's`, async (t) => {
    const E = new Error('E', { cause: new Error('something else') })
    const { error, exits } = await failing(t, () => fail(E))
    assert.deepEqual(errorsOf(error), [E, B])
    assert.deepEqual(exits, ['outer: failure(S(E←B))'])
  })

  test(`${kind} that swallows the error does not hide it`, async (t) => {
    const { error, exits } = await failing(t, () => {})
    assert.equal(error, B)
    assert.deepEqual(exits, ['outer: failure(B)'])
  })
}

test('a translation replaces the whole chain that was thrown at the yield', async (t) => {
  const { app } = setUp(t)
  const translating = resource(async function* () {
    try {
      yield 1
    } catch (cause) {
      throw new Error('E', { cause })
    }
  })
  const running = app.run(async (scope) => {
    await scope.get(translating)
    scope.defer(() => fail(new Error('D')))
    throw B
  })
  const error = await rejection(running)
  assert.ok(error instanceof Error)
  assert.equal(chain(error), 'E')
  assert.equal(chain(error.cause), 'S(D←B)')
})

test('a translation of what was thrown, and is not the error so far, suppresses that', async (t) => {
  const { app } = setUp(t)
  const reason = new Error('R')
  const translating = resource(async function* () {
    try {
      yield 1
    } catch (cause) {
      throw new Error('E', { cause })
    }
  })
  for (const failures of [[], [new Error('D')]]) {
    const scope = app.child()
    await scope.get(translating)
    for (const failure of failures) scope.defer(() => fail(failure))
    scope.abort(reason)
    const error = await rejection(scope.close())
    const [newest, ...older] = errorsOf(error)
    assert.ok(newest instanceof Error)
    assert.deepEqual([newest.message, newest.cause, ...older], ['E', reason, ...failures])
  }
})

test('what is thrown at the yield is the completion so far', async (t) => {
  const { app } = setUp(t)
  let seen: unknown
  const D = new Error('D')
  const transaction = resource(async function* transaction() {
    try {
      yield 1
    } catch (error) {
      seen = error
      throw error
    }
  })
  const running = app.run(async (scope) => {
    await scope.get(transaction)
    scope.defer(() => fail(D))
  })
  assert.equal(await rejection(running), D)
  assert.equal(seen, D)
})

test('an abort is thrown at the yield as its reason, and rethrowing that is no failure', async (t) => {
  const { app, tracker } = setUp(t)
  const seen: unknown[] = []
  const transaction = resource(async function* transaction() {
    try {
      yield 1
    } catch (error) {
      seen.push(error)
      throw error
    }
  })
  const reason = new Error('left')
  const scope = app.child()
  await scope.get(tracker.resource('outer'))
  await scope.get(transaction)
  scope.abort(reason)
  await within(scope.close())
  assert.deepEqual(seen, [reason])
  assert.deepEqual(tracker.exits, ['outer: aborted(left)'])
})

test('an unknown outcome is thrown at the yield as a ScopeIncompleteError, and rethrowing that is no failure', async (t) => {
  const { app, tracker } = setUp(t)
  const seen: unknown[] = []
  const transaction = resource(async function* transaction() {
    try {
      yield 1
      tracker.events.push('commit')
    } catch (error) {
      seen.push(error)
      throw error
    }
  })
  {
    await using scope = app.child({ name: 'import' })
    await scope.get(tracker.resource('outer'))
    await scope.get(transaction)
  }
  assert.equal(seen.length, 1)
  assert.ok(seen[0] instanceof ScopeIncompleteError)
  assert.match(seen[0].message, /The scope "import" \(/)
  assert.match(seen[0].message, /complete\(\)/)
  assert.deepEqual(tracker.exits, ['outer: unknown'])
  assert.deepEqual(tracker.events, ['+outer', '-outer'])
})

test('a failing commit is the error of the scope, and outer resources see it', async (t) => {
  const { app, tracker } = setUp(t)
  const C = new Error('C')
  const transaction = resource(async function* transaction() {
    yield 1
    fail(C)
  })
  const running = app.run(async (scope) => {
    await scope.get(tracker.resource('connection'))
    await scope.get(transaction)
  })
  assert.equal(await rejection(running), C)
  assert.deepEqual(tracker.exits, ['connection: failure(C)'])
})

test('a translation by a resource that is not critical is reported and changes nothing', async (t) => {
  const { app, tracker, unthrown } = setUp(t)
  const translating = resource(
    async function* () {
      try {
        yield 1
      } catch (cause) {
        throw new Error('E', { cause })
      }
    },
    { critical: false },
  )
  const running = app.run(async (scope) => {
    await scope.get(tracker.resource('outer'))
    await scope.get(translating)
    throw B
  })
  assert.equal(await rejection(running), B)
  assert.deepEqual(tracker.exits, ['outer: failure(B)'])
  assert.deepEqual(taken(unthrown), ['E'])
})

test('await using inside a generator gives the chain of nested await using', async (t) => {
  const { app } = setUp(t)
  const D = new Error('D')
  const nested = resource(async function* () {
    await using _inner = { [Symbol.asyncDispose]: () => Promise.reject(D) }
    yield 1
  })
  const running = app.run(async (scope) => {
    await scope.get(nested)
    throw B
  })
  assert.deepEqual(errorsOf(await rejection(running)), [D, B])
})

test('undefined that was thrown arrives at the yield, and rethrowing it adds nothing', async (t) => {
  const { app } = setUp(t)
  const seen: unknown[] = []
  const transaction = resource(async function* () {
    try {
      yield 1
    } catch (error) {
      seen.push(error)
      throw error
    }
  })
  const running = app.run(async (scope) => {
    await scope.get(transaction)
    fail(undefined)
  })
  assert.equal(await rejection(running), undefined)
  assert.deepEqual(seen, [undefined])
})
