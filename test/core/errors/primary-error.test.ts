/** `primaryError`: from which error of a chain a server answers. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { primaryError, resource } from 'unwind'
import { setUp } from '../support/app.ts'
import { rejection } from '../support/promises.ts'

class NotFound extends Error {
  readonly status = 404
}

/** As another copy of the class, or a helper of a compiler, makes it. */
function foreign(suppressed: unknown): Error {
  return Object.assign(new Error('foreign'), { name: 'SuppressedError', error: 1, suppressed })
}

function failing(): AsyncDisposable {
  return { [Symbol.asyncDispose]: () => Promise.reject(new Error('D')) }
}

test("the primary error of a failed scope is the body's, however many releases fail", async (t) => {
  const { app } = setUp(t)
  const body = new NotFound('no such order')
  const error = await rejection(
    app.run((scope) => {
      for (const name of ['D3', 'D2', 'D1']) scope.defer(() => Promise.reject(new Error(name)))
      throw body
    }),
  )
  assert.notEqual(error, body)
  assert.equal(primaryError(error), body)
})

test('without a failed body the primary error is that of the release that failed first', async (t) => {
  const { app } = setUp(t)
  const first = new Error('D1')
  const error = await rejection(
    app.run((scope) => {
      scope.defer(() => Promise.reject(new Error('D2')))
      scope.defer(() => Promise.reject(first))
    }),
  )
  assert.equal(primaryError(error), first)
})

test('what is no suppressing error is its own primary error', () => {
  const errors = [new Error('E'), new AggregateError([]), undefined, null, 0, 'text', {}]
  for (const error of errors) assert.equal(primaryError(error), error)
})

test('a suppressing error of another copy or of lowered code is recognised by its shape', () => {
  const body = new Error('B')
  assert.equal(primaryError(foreign(foreign(body))), body)
  assert.equal(primaryError(foreign(undefined)), undefined)
})

test('nested await using and scopes mixed have one primary error', async (t) => {
  const { app } = setUp(t)
  const body = new Error('B')
  const error = await rejection(
    app.run(async (scope) => {
      await using _outer = failing()
      scope.use(failing())
      await scope.run(async () => {
        await using _inner = failing()
        throw body
      })
    }),
  )
  assert.equal(primaryError(error), body)
})

test('a chain that leads back to itself ends before it repeats itself', async (t) => {
  const { app } = setUp(t)
  const circle = foreign(undefined)
  const other = foreign(circle)
  Object.assign(circle, { suppressed: other })
  assert.equal(primaryError(circle), other)
  const released: unknown[] = []
  const held = resource(async function* held() {
    try {
      yield 1
    } finally {
      released.push('held')
    }
  })
  const error = await rejection(
    app.run(async (scope) => {
      await scope.get(held)
      throw circle
    }),
  )
  assert.equal(error, circle)
  assert.deepEqual(released, ['held'])
})
