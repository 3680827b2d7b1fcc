/** Errors as JSON, where they are knots: what leads back to itself is said once, and what is no error as it is. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { runInNewContext } from 'node:vm'
import { resource } from 'unwind'
import { setUp } from '../support/app.ts'
import { coded } from '../support/coded.ts'
import { rejection } from '../support/promises.ts'

function json(value: unknown): Record<string, unknown> {
  // An error is a record there.
  return JSON.parse(JSON.stringify(value)) as Record<string, unknown>
}

test('an error that is its own cause is told once', () => {
  const cause: Error = new Error('A')
  cause.cause = new Error('B', { cause })
  assert.deepEqual(json(coded({ cause }))['cause'], {
    name: 'Error',
    message: 'A',
    cause: {
      name: 'Error',
      message: 'B',
      cause: { name: 'Error', message: 'A', repeated: true },
    },
  })
})

test('a chain that leads back to itself is told once round', () => {
  const chain = Object.assign(new Error('A'), { name: 'SuppressedError', error: new Error('D') })
  const cause = Object.assign(chain, { suppressed: chain })
  assert.deepEqual(json(coded({ cause }))['cause'], {
    name: 'SuppressedError',
    message: 'A',
    primary: { name: 'SuppressedError', message: 'A', repeated: true },
    whileReleasing: [{ name: 'Error', message: 'D' }],
  })
})

test('errors that share their causes and parts are told once each, however many ways lead there', () => {
  let shared: Error = new Error('0')
  for (let i = 1; i <= 12; i += 1) {
    shared = new AggregateError([shared, shared], String(i), { cause: shared })
  }
  const told = JSON.stringify(coded({ cause: shared }))
  for (let i = 0; i < 12; i += 1) {
    const mentions = told.split(`"message":"${i}"`)
    assert.equal(mentions.length - 1, 3)
    assert.equal(mentions.filter((rest) => rest.startsWith(',"repeated":true')).length, 2)
  }
})

test('an AggregateError with a name of its own tells its parts', () => {
  class PollError extends AggregateError {
    override name = 'PollError'
  }
  const cause = new PollError([new Error('one')], 'all')
  assert.deepEqual(json(coded({ cause }))['cause'], {
    name: 'PollError',
    message: 'all',
    errors: [{ name: 'Error', message: 'one' }],
  })
})

test('an object that a release threw and that is no error is told with the name of the resource', async (t) => {
  const { app } = setUp(t)
  const file = resource({
    name: 'file',
    acquire: () => 1,
    // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- anything can be thrown
    release: () => Promise.reject({ errno: 28 }),
  })
  const error = await rejection(
    app.run(async (scope) => {
      await scope.get(file)
      throw new Error('B')
    }),
  )
  assert.deepEqual(json(error)['whileReleasing'], [{ release: 'file', thrown: '{ errno: 28 }' }])
})

test('what refuses to be looked at, and what comes from another realm, is told as far as it lets itself be told', async (t) => {
  const { app } = setUp(t)
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  const mute = new Error('B')
  Object.defineProperty(mute, 'message', {
    get: () => {
      throw new Error('not readable')
    },
  })
  const foreign: unknown = runInNewContext('new RangeError("D")')
  const custom = {
    [inspect.custom]: () => {
      throw new Error('not shown')
    },
  }
  const thrown = [mute, foreign, proxy, custom]
  const error = await rejection(
    app.run((scope) => {
      // Last in, first out.
      for (const part of thrown.slice(1).toReversed()) {
        // oxlint-disable-next-line typescript/only-throw-error -- anything can be thrown
        const fail = (): never => {
          throw part
        }
        scope.defer(fail)
      }
      throw mute
    }),
  )
  const { primary, whileReleasing } = json(error)
  assert.equal(typeof primary, 'string')
  assert.deepEqual(whileReleasing, [
    { release: 'fail', name: 'RangeError', message: 'D' },
    { release: 'fail', thrown: '<Revoked Proxy>' },
    { release: 'fail', thrown: inspect(custom, { customInspect: false, breakLength: 100 }) },
  ])
})
