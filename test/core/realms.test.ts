/**
 * A test runner such as Jest has each file of tests run in a realm of its own, to which the errors of Node.js itself do not
 * belong: they count for what they are all the same.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runInNewContext } from 'node:vm'
import { createApp } from 'unwind'
import { coded } from './support/coded.ts'
import { rejection } from './support/promises.ts'

/** An error that is no instance of our `Error`. */
function foreign(constructor: string, fields: object): Error {
  const source = `Object.assign(new ${constructor}([], ''), fields)`
  const error: unknown = runInNewContext(source, { fields })
  assert.ok(!(error instanceof Error))
  // It was made by a constructor of errors.
  return error as Error
}

/** Waits as what comes with Node.js does. */
async function aborted(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>()
  signal.addEventListener('abort', () => {
    reject(foreign('Error', { name: 'AbortError', cause: signal.reason as unknown }))
  })
  return await promise
}

test('an AbortError of another realm that answers an abort is no failure', async () => {
  const late: unknown[] = []
  await using app = createApp({ onError: (error) => late.push(error) })
  const failure = new Error('of the body')
  const aTask = app.run((scope) => {
    scope.fork(aborted).catch(() => {})
    throw failure
  })
  assert.equal(await rejection(aTask), failure)
  const oneOfAll = app.run((scope) => scope.all([aborted, () => Promise.reject(failure)]))
  assert.equal(await rejection(oneOfAll), failure)
  assert.deepEqual(late, [])
})

test('an AggregateError of another realm tells its parts in JSON', () => {
  const cause = foreign('AggregateError', { errors: [new Error('one')] })
  // An error is a record there.
  const told = JSON.parse(JSON.stringify(coded({ cause }))) as object
  assert.deepEqual(told, {
    name: 'UnwindError',
    message: 'text',
    code: 'ERR_X',
    cause: { name: 'AggregateError', message: '', errors: [{ name: 'Error', message: 'one' }] },
  })
})
