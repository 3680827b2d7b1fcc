/** Whatever is thrown through a generator resource is known again, error or not. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatError, resource } from 'unwind'
import { setUp } from '../support/app.ts'
import { isSuppressed } from '../support/suppressed.ts'
import { rejection } from '../support/promises.ts'

function fail(error: unknown): never {
  throw error
}

test('a new error without a cause is no translation of a thrown undefined: neither is lost', async (t) => {
  const { app } = setUp(t)
  const R = new Error('R')
  const translator = resource(async function* translator() {
    try {
      yield 1
    } catch {
      throw R
    }
  })
  const running = app.run(async (scope) => {
    await scope.get(translator)
    return fail(undefined)
  })
  const error = await rejection(running)
  assert.ok(isSuppressed(error))
  assert.equal(error.error, R)
  assert.equal(error.suppressed, undefined)
})

test('rethrowing NaN, which does not equal itself, adds nothing', async (t) => {
  const { app } = setUp(t)
  const transaction = resource(async function* transaction() {
    yield 1
  })
  const running = app.run(async (scope) => {
    await scope.get(transaction)
    return fail(NaN)
  })
  assert.ok(Number.isNaN(await rejection(running)))
})

test('what has a name and is no error is shown as it is', () => {
  assert.equal(formatError({ name: 'Ada' }), "{ name: 'Ada' } was thrown")
})
