/** A value that `await` would run is refused; what was acquired is given back all the same. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resource } from 'unwind'
import { setUp } from '../support/app.ts'
import { rejection } from '../support/promises.ts'

// oxlint-disable-next-line unicorn/no-thenable -- the case under test
const builder = { then: (): void => assert.fail('the builder was run') }

test('a thenable value is refused with a hint to wrap it in an object', async (t) => {
  const { app } = setUp(t)
  const query = resource({ name: 'query', acquire: () => builder as unknown as object })
  const error = await rejection(app.run((scope) => scope.get(query)))
  assert.ok(error instanceof TypeError)
  assert.match(error.message, /"query".*then\(\).*Wrap it in an object/)
})

test('a generator whose value is refused is ended: its finally runs', async (t) => {
  const { app, tracker } = setUp(t)
  const query = resource(function* query() {
    const connection = tracker.acquire('connection')
    try {
      yield builder
    } finally {
      tracker.release(connection)
    }
  })
  const error = await rejection(app.run((scope) => scope.get(query)))
  assert.ok(error instanceof TypeError)
  assert.deepEqual(tracker.events, ['+connection', '-connection'])
})

test('what is acquired and refused is released, and what its release throws is reported', async (t) => {
  const { app, tracker, unthrown } = setUp(t)
  const failure = new Error('released')
  const query = resource({
    acquire: () => Object.assign(tracker.acquire('query'), builder) as object,
    release: (value, exit) => {
      tracker.release(value as never)
      assert.equal(exit.status, 'failure')
      throw failure
    },
  })
  const error = await rejection(app.run((scope) => scope.get(query)))
  assert.match(String(error), /has a then\(\) method/)
  assert.deepEqual(tracker.events, ['+query', '-query'])
  assert.equal(unthrown.splice(0)[0]?.error, failure)
})

test('what the finally of a generator throws does not hide why its value was refused', async (t) => {
  const { app, unthrown } = setUp(t)
  const failure = new Error('in finally')
  const query = resource(function* query() {
    try {
      yield builder
    } finally {
      // oxlint-disable-next-line no-unsafe-finally -- the case under test
      throw failure
    }
  })
  const error = await rejection(app.run((scope) => scope.get(query)))
  assert.match(String(error), /"query" has a then\(\) method/)
  assert.equal(unthrown.splice(0)[0]?.error, failure)
})

test('a wrapped thenable is a value', async (t) => {
  const { app } = setUp(t)
  const query = resource({ acquire: () => ({ query: builder }) })
  await app.run(async (scope) => {
    const { query: unwrapped } = await scope.get(query)
    assert.equal(unwrapped === builder, true)
  })
})
