/** What a generator resource must do, and what happens when it does not. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resource, ResourceProtocolError, type GeneratorResource } from 'unwind'
import { setUp } from '../support/app.ts'
import { errorsOf } from '../support/chain.ts'
import { rejection } from '../support/promises.ts'

const B = new Error('B')

// oxlint-disable-next-line require-yield -- the case under test
const asyncEmpty: GeneratorResource<number> = async function* empty() {}
// oxlint-disable-next-line require-yield -- the case under test
const syncEmpty: GeneratorResource<number> = function* empty() {}

for (const [kind, generator] of [
  ['an async', asyncEmpty],
  ['a sync', syncEmpty],
] as const) {
  test(`${kind} generator that finishes without a yield is a ResourceProtocolError, and nothing is registered`, async (t) => {
    const { app, tracker } = setUp(t)
    const empty = resource(generator)
    await app.run(async (scope) => {
      await scope.get(tracker.resource('outer'))
      const error = await rejection(scope.get(empty))
      assert.ok(error instanceof ResourceProtocolError)
      assert.equal(error.code, 'ERR_RESOURCE_PROTOCOL')
      assert.match(error.message, /"empty" finished without a yield/)
    })
    assert.deepEqual(tracker.exits, ['outer: success'])
  })
}

for (const [kind, make] of [
  [
    'an async',
    (events: string[]) =>
      resource(async function* twice() {
        try {
          yield 1
          yield 2
        } finally {
          events.push('finally')
        }
      }),
  ],
  [
    'a sync',
    (events: string[]) =>
      resource(function* twice() {
        try {
          yield 1
          yield 2
        } finally {
          events.push('finally')
        }
      }),
  ],
] as const) {
  test(`${kind} generator that yields twice runs its finally and is a failing release`, async (t) => {
    const { app, tracker } = setUp(t)
    const running = app.run(async (scope) => {
      await scope.get(tracker.resource('outer'))
      return await scope.get(make(tracker.events))
    })
    const error = await rejection(running)
    assert.ok(error instanceof ResourceProtocolError)
    assert.match(error.message, /"twice" yielded twice/)
    assert.deepEqual(tracker.events, ['+outer', 'finally', '-outer'])
    assert.deepEqual(tracker.exits, [`outer: failure(${error.message})`])
  })
}

test('a generator that catches the failure and yields again is a failing release', async (t) => {
  const { app, tracker } = setUp(t)
  const again = resource(async function* again() {
    try {
      yield 1
    } catch {
      yield 2
    } finally {
      tracker.events.push('finally')
    }
  })
  const running = app.run(async (scope) => {
    await scope.get(again)
    throw B
  })
  const [protocol, body] = errorsOf(await rejection(running))
  assert.ok(protocol instanceof ResourceProtocolError)
  assert.equal(body, B)
  assert.deepEqual(tracker.events, ['finally'])
})

test('a generator that yields twice and then fails loses neither error', async (t) => {
  const { app } = setUp(t)
  const F = new Error('F')
  const twice = resource(async function* twice() {
    try {
      yield 1
      yield 2
    } finally {
      await Promise.reject(F)
    }
  })
  const errors = errorsOf(await rejection(app.run((scope) => scope.get(twice))))
  assert.equal(errors.length, 2)
  assert.ok(errors.includes(F))
  assert.ok(errors.some((error) => error instanceof ResourceProtocolError))
})

test('a function that gives no generator is refused by name', async (t) => {
  const { app } = setUp(t)
  for (const given of [1, undefined]) {
    const plain = (() => given) as unknown as GeneratorResource<number>
    const error = await rejection(app.run((scope) => scope.get(resource(plain, { name: 'plain' }))))
    assert.ok(error instanceof ResourceProtocolError)
    assert.match(error.message, /"plain" returned no generator/)
  }
})

test('an error before the yield is what get rejects with', async (t) => {
  const { app, tracker } = setUp(t)
  const A = new Error('A')
  const failing = resource(async function* failing() {
    try {
      await Promise.reject(A)
      yield 1
    } finally {
      tracker.events.push('finally')
    }
  })
  await app.run(async (scope) => {
    assert.equal(await rejection(scope.get(failing)), A)
    assert.deepEqual(tracker.events, ['finally'])
  })
  assert.deepEqual(tracker.events, ['finally'])
})

test('a sync generator that yields twice and fails to finish loses neither error', async (t) => {
  const { app } = setUp(t)
  const F = new Error('F')
  const twice = resource(function* twice() {
    try {
      yield 1
      yield 2
    } finally {
      // oxlint-disable-next-line no-unsafe-finally -- the case under test
      throw F
    }
  })
  const errors = errorsOf(await rejection(app.run((scope) => scope.get(twice))))
  assert.equal(errors.length, 2)
  assert.ok(errors.includes(F))
  assert.ok(errors.some((error) => error instanceof ResourceProtocolError))
})
