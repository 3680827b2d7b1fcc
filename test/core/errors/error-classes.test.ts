/** What all errors of the package promise: a stable code, a class name, and a form that logs can show. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import * as unwind from 'unwind'
import { UnwindError } from 'unwind'
import { setUp } from '../support/app.ts'
import { rejection } from '../support/promises.ts'

type ErrorClass = new (...parameters: never[]) => Error

const codes: Record<string, string> = {
  ScopeClosedError: 'ERR_SCOPE_CLOSED',
  NoScopeError: 'ERR_NO_SCOPE',
  ScopeIncompleteError: 'ERR_SCOPE_INCOMPLETE',
  ShutdownError: 'ERR_SHUTDOWN',
  ClientDisconnectedError: 'ERR_CLIENT_DISCONNECTED',
  AbandonedError: 'ERR_ABANDONED',
  DisposedError: 'ERR_DISPOSED',
  AcquireTimeoutError: 'ERR_ACQUIRE_TIMEOUT',
  DisposeTimeoutError: 'ERR_DISPOSE_TIMEOUT',
  NotProvidedError: 'ERR_NOT_PROVIDED',
  ResourceProtocolError: 'ERR_RESOURCE_PROTOCOL',
  CaptiveDependencyError: 'ERR_CAPTIVE_DEPENDENCY',
  CircularDependencyError: 'ERR_CIRCULAR_DEPENDENCY',
}

const parameters: Record<string, unknown[]> = {
  AcquireTimeoutError: ['lease', 5],
  DisposeTimeoutError: ['lease', 5],
  CaptiveDependencyError: ['text', ['a', 'b']],
  CircularDependencyError: [['a', 'b', 'a']],
}

const everything: [string, unknown][] = Object.entries(unwind)
const exported = everything.filter((entry): entry is [string, ErrorClass] => isErrorClass(entry[1]))

function isErrorClass(value: unknown): value is ErrorClass {
  return typeof value === 'function' && value.prototype instanceof Error
}

function make(name: string, errorClass: ErrorClass): Error {
  return new errorClass(...((parameters[name] ?? ['text']) as never[]))
}

test('the error classes are these, and each has its code', () => {
  const names = exported.map(([name]) => name).filter((name) => name !== 'UnwindError')
  assert.deepEqual(names.toSorted(), Object.keys(codes).toSorted())
})

for (const [name, errorClass] of exported) {
  if (name === 'UnwindError') continue

  test(`a ${name} is an UnwindError with its code, and has its name on the prototype`, () => {
    const error = make(name, errorClass)
    assert.ok(error instanceof UnwindError)
    assert.ok(error instanceof Error)
    assert.equal(error.code, codes[name])
    assert.equal(error.name, name)
    assert.equal(Object.hasOwn(error, 'name'), false)
    assert.equal(Object.hasOwn(errorClass.prototype, 'name'), true)
    assert.equal(errorClass.name, name)
    assert.notEqual(error.message, '')
  })

  test(`a ${name} shows its name, text and code in the console, and its code as JSON`, () => {
    const error = make(name, errorClass)
    const shown = inspect(error)
    assert.ok(shown.startsWith(`${name}: ${error.message}`), shown)
    assert.ok(shown.includes(codes[name] ?? 'a code'))
    assert.ok(error.stack?.startsWith(`${name}: `))
    assert.equal((JSON.parse(JSON.stringify(error)) as { code?: unknown }).code, codes[name])
    assert.equal(String(error), `${name}: ${error.message}`)
  })
}

test('what an error is about is in its JSON', () => {
  const timeout = new unwind.AcquireTimeoutError('lease', 5)
  const circle = new unwind.CircularDependencyError(['a', 'b', 'a'])
  assert.deepEqual(JSON.parse(JSON.stringify(timeout)), {
    name: 'AcquireTimeoutError',
    message: timeout.message,
    code: 'ERR_ACQUIRE_TIMEOUT',
    resource: 'lease',
    timeoutMs: 5,
  })
  assert.deepEqual(JSON.parse(JSON.stringify(circle)), {
    name: 'CircularDependencyError',
    message: circle.message,
    code: 'ERR_CIRCULAR_DEPENDENCY',
    path: ['a', 'b', 'a'],
  })
})

test('a cause is shown in the console', () => {
  const error = new unwind.DisposedError('text', { cause: new Error('the reason') })
  assert.match(inspect(error), /the reason/)
})

test('messages name what happened and end with advice, without blame and exclamation', async (t) => {
  const { app, tracker } = setUp(t)
  const lease = tracker.resource('lease')
  const scope = app.child({ name: 'upload' })
  await scope.close()
  const errors = [
    await rejection(scope.get(lease)),
    await rejection(app.get(lease)),
    await rejection(unwind.inject(lease)),
  ]
  for (const error of errors) {
    assert.ok(error instanceof UnwindError)
    assert.doesNotMatch(error.message, /!|you |your /i)
    assert.match(error.message, /\. [A-Z].*\.$/)
  }
})

test('a scope is one line in the console, open and closed', async (t) => {
  const { app } = setUp(t)
  const scope = app.child({ name: 'upload' })
  assert.match(inspect(scope), /^Scope \{ "upload" \(request s\w+\), open \}$/)
  assert.match(inspect(scope.child()), /^Scope \{ scope s\w+, open \}$/)
  await scope.close()
  assert.match(inspect({ scope }), /closed \}/)
})
