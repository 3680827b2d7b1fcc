/** `SuppressedError` of `unwind/stack`: the global class, or on Node.js 22 one that behaves the same. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SuppressedError } from 'unwind/stack'
import { thrown } from '../support/promises.ts'
import { shapeOf } from '../support/stacks.ts'

const hidden = {
  writable: true,
  enumerable: false,
  configurable: true,
  get: undefined,
  set: undefined,
}

test('it is the global class, where there is one', () => {
  const global: unknown = Reflect.get(globalThis, 'SuppressedError')
  if (global !== undefined) assert.equal(SuppressedError, global)
})

test('it is a constructor of length 3 that inherits from Error', () => {
  assert.deepEqual(Object.keys(shapeOf(SuppressedError)).toSorted(), [
    'length',
    'name',
    'prototype',
  ])
  assert.deepEqual(
    { name: SuppressedError.name, length: SuppressedError.length },
    { name: 'SuppressedError', length: 3 },
  )
  assert.equal(Object.getPrototypeOf(SuppressedError), Error)
  const { writable, enumerable, configurable } = descriptor(SuppressedError, 'prototype')
  assert.deepEqual(
    { writable, enumerable, configurable },
    { writable: false, enumerable: false, configurable: false },
  )
})

test('its prototype has constructor, name and message, and is no error itself', () => {
  const prototype: object = SuppressedError.prototype
  assert.deepEqual(shapeOf(prototype), {
    constructor: { ...hidden, value: 'constructor SuppressedError/3' },
    message: { ...hidden, value: '' },
    name: { ...hidden, value: 'SuppressedError' },
  })
  assert.equal(Object.getPrototypeOf(prototype), Error.prototype)
  assert.equal(Object.prototype.toString.call(prototype), '[object Object]')
})

test('an instance has error, suppressed and message as own properties that are not enumerable', () => {
  const error = new Error('release')
  const suppressed = new Error('body')
  const made = new SuppressedError(error, suppressed, 'both')
  assert.deepEqual(descriptor(made, 'error'), attributes(error))
  assert.deepEqual(descriptor(made, 'suppressed'), attributes(suppressed))
  assert.deepEqual(descriptor(made, 'message'), attributes('both'))
  assert.equal(Object.prototype.toString.call(made), '[object Error]')
  assert.deepEqual(Object.keys(made), [])
  assert.match(made.stack ?? '', /^SuppressedError: both\n +at /)
  assert.equal(String(made), 'SuppressedError: both')
})

test('error and suppressed are there even when nothing is given, message is not', () => {
  for (const made of [
    new SuppressedError(),
    new SuppressedError(1, 2),
    new SuppressedError(1, 2, undefined),
  ]) {
    assert.ok(Object.hasOwn(made, 'error') && Object.hasOwn(made, 'suppressed'))
    assert.ok(!Object.hasOwn(made, 'message'))
    assert.equal(made.message, '')
  }
})

test('it makes an error without new too', () => {
  const made = SuppressedError(1, 2, 'called')
  assert.ok(made instanceof SuppressedError && made instanceof Error)
  assert.deepEqual([made.error, made.suppressed, made.message], [1, 2, 'called'])
  assert.equal(Object.getPrototypeOf(made), SuppressedError.prototype)
})

test('the message is converted to a string, before error and suppressed are set', () => {
  for (const message of [42, null, true, { toString: () => 'text' }]) {
    assert.equal(new SuppressedError(1, 2, message as never).message, String(message))
  }
  const failure = new Error('no text')
  const unreadable = {
    toString(): never {
      throw failure
    },
  }
  assert.equal(
    thrown(() => new SuppressedError(1, 2, unreadable as never)),
    failure,
  )
  assert.throws(() => new SuppressedError(1, 2, Symbol('s') as never), TypeError)
  const order = Reflect.ownKeys(new SuppressedError(1, 2, 'm')).filter((key) => key !== 'stack')
  assert.deepEqual(order, ['message', 'error', 'suppressed'])
})

test('it has no cause, and no options', () => {
  const made: unknown = Reflect.construct(SuppressedError, [1, 2, 'm', { cause: 'c', code: 'x' }])
  assert.ok(made instanceof SuppressedError)
  assert.ok(!Object.hasOwn(made, 'cause'))
})

test('it takes the prototype of new.target, reading it once, before the message is converted', () => {
  const events: string[] = []
  const prototype = { custom: true }
  const target = new Proxy(function () {}, {
    get: (of, key) => {
      if (key !== 'prototype') return Reflect.get(of, key)
      events.push('prototype')
      return prototype
    },
  })
  const message = { toString: () => (events.push('message'), 'm') }
  const made: unknown = Reflect.construct(SuppressedError, [1, 2, message], target)
  assert.equal(Object.getPrototypeOf(made), prototype)
  assert.deepEqual(events, ['prototype', 'message'])
})

test('it takes a prototype that inherits from nothing', () => {
  const prototype: unknown = Object.create(null)
  const made: unknown = Reflect.construct(
    SuppressedError,
    [1, 2],
    Object.assign(function () {}, { prototype }),
  )
  assert.equal(Object.getPrototypeOf(made), prototype)
})

test('it falls back to its own prototype where that of new.target is no object', () => {
  for (const prototype of [undefined, null, true, '', Symbol('s'), 1]) {
    const target = Object.assign(function () {}, { prototype })
    const made: unknown = Reflect.construct(SuppressedError, [1, 2], target)
    assert.equal(Object.getPrototypeOf(made), SuppressedError.prototype, String(prototype))
  }
})

test('it can be subclassed, and the stack says so', () => {
  class Lost extends SuppressedError {}
  Lost.prototype.name = 'Lost'
  const made = new Lost(1, 2, 'm')
  assert.ok(made instanceof Lost && made instanceof SuppressedError && made instanceof Error)
  assert.match(made.stack ?? '', /^Lost: m\n/)
})

function descriptor(object: object, key: string): PropertyDescriptor {
  return Object.getOwnPropertyDescriptor(object, key) ?? {}
}

function attributes(value: unknown): PropertyDescriptor {
  return { value, writable: true, enumerable: false, configurable: true }
}
