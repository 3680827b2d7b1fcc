/** What the classes of `unwind/stack` look like from outside: names, lengths, attributes, prototypes, receivers. */
import assert from 'node:assert/strict'
import { same, shapeOf, type Stacks } from '../support/stacks.ts'
import { rejection, thrown } from '../support/promises.ts'

const both = ['DisposableStack', 'AsyncDisposableStack'] as const

for (const name of both) {
  const isAsync = name === 'AsyncDisposableStack'
  const dispose = isAsync ? 'disposeAsync' : 'dispose'
  const symbol = isAsync ? Symbol.asyncDispose : Symbol.dispose

  same(`${name} is a constructor of length 0 with a fixed prototype`, (stacks) => {
    const Stack = stacks[name]
    const shape = shapeOf(Stack)
    assert.deepEqual(Object.keys(shape), ['length', 'name', 'prototype'])
    assert.equal(Stack.name, name)
    assert.equal(Stack.length, 0)
    assert.equal(Object.getPrototypeOf(Stack), Function.prototype)
    assert.equal(Object.getPrototypeOf(Stack.prototype), Object.prototype)
    return shape
  })

  same(
    `${name}.prototype has the standard's properties with their attributes, and no other`,
    (stacks) => {
      const shape = shapeOf(stacks[name].prototype)
      const method = { writable: true, enumerable: false, configurable: true }
      const none = { value: undefined, get: undefined, set: undefined }
      assert.deepEqual(shape, {
        constructor: { ...method, ...none, value: `constructor ${name}/0` },
        adopt: { ...method, ...none, value: 'method adopt/2' },
        defer: { ...method, ...none, value: 'method defer/1' },
        [dispose]: { ...method, ...none, value: `method ${dispose}/0` },
        disposed: { enumerable: false, configurable: true, ...none, get: 'method get disposed/0' },
        move: { ...method, ...none, value: 'method move/0' },
        use: { ...method, ...none, value: 'method use/1' },
        [String(symbol)]: { ...method, ...none, value: `method ${dispose}/0` },
        [String(Symbol.toStringTag)]: { ...method, ...none, writable: false, value: name },
      })
      return shape
    },
  )

  same(`${name}: ${String(symbol)} is ${dispose} itself`, (stacks) => {
    const prototype: object = stacks[name].prototype
    assert.equal(Reflect.get(prototype, symbol), Reflect.get(prototype, dispose))
  })

  same(`${name}: its methods are functions like any built-in, and no constructors`, (stacks) => {
    for (const method of methodsOf(stacks[name].prototype)) {
      assert.equal(Object.getPrototypeOf(method), Function.prototype)
      assert.ok(!Object.hasOwn(method, 'prototype'))
      assert.throws(() => Reflect.construct(Object, [], method), TypeError)
    }
  })

  same(`${name} is not called without new`, (stacks) => {
    assert.throws(() => Reflect.apply(stacks[name], undefined, []), TypeError)
  })

  same(`${name}: an instance is extensible and has no property of its own`, (stacks) => {
    const stack = new stacks[name]()
    assert.ok(Object.isExtensible(stack))
    assert.deepEqual(Reflect.ownKeys(stack), [])
    assert.equal(Object.prototype.toString.call(stack), `[object ${name}]`)
    assert.equal(Object.getPrototypeOf(stack), stacks[name].prototype)
  })

  same(`${name} takes the prototype of new.target, reading it once`, (stacks) => {
    const prototype = { custom: true }
    let reads = 0
    const target = new Proxy(function () {}, {
      get: (of, key) => {
        if (key !== 'prototype') return Reflect.get(of, key)
        reads += 1
        return prototype
      },
    })
    const stack: unknown = Reflect.construct(stacks[name], [], target)
    assert.equal(Object.getPrototypeOf(stack), prototype)
    assert.equal(reads, 1)
    assert.equal(isDisposed(stacks[name], stack), false)
  })

  same(`${name} passes on what reading the prototype of new.target throws`, (stacks) => {
    const failure = new Error('no prototype')
    let reads = 0
    const target = Object.defineProperty(nothing.bind(undefined), 'prototype', {
      get: () => {
        reads += 1
        throw failure
      },
    })
    assert.equal(
      thrown(() => Reflect.construct(stacks[name], [], target)),
      failure,
    )
    assert.equal(reads, 1)
  })

  same(
    `${name} falls back to its own prototype where that of new.target is no object`,
    (stacks) => {
      for (const prototype of [undefined, null, true, '', Symbol('s'), 1, 1n]) {
        const target = Object.assign(function () {}, { prototype })
        const stack: unknown = Reflect.construct(stacks[name], [], target)
        assert.equal(Object.getPrototypeOf(stack), stacks[name].prototype, String(prototype))
      }
      for (const prototype of [Object.prototype, Object.create(null)]) {
        const target = Object.assign(function () {}, { prototype })
        const stack: unknown = Reflect.construct(stacks[name], [], target)
        assert.equal(Object.getPrototypeOf(stack), prototype)
      }
    },
  )

  same(`${name} can be subclassed, and move gives a plain one`, (stacks) => {
    const Stack = stacks[name]
    class Mine extends Stack {}
    const mine = new Mine()
    assert.ok(mine instanceof Mine && mine instanceof Stack)
    const moved = mine.move()
    assert.equal(Object.getPrototypeOf(moved), Stack.prototype)
    assert.equal(moved.disposed, false)
    assert.equal(mine.disposed, true)
  })

  same(
    `${name}: a wrong receiver is a TypeError, before anything else is looked at`,
    async (stacks) => {
      const Stack = stacks[name]
      const other = new stacks[isAsync ? 'DisposableStack' : 'AsyncDisposableStack']()
      const receivers = [
        undefined,
        null,
        1,
        'stack',
        Symbol('s'),
        {},
        [],
        Stack,
        Stack.prototype,
        other,
      ]
      for (const receiver of receivers) {
        for (const method of ['use', 'adopt', 'defer', 'move', 'disposed'] as const) {
          assert.throws(
            () => callOn(Stack, method, receiver),
            TypeError,
            `${method} ${typeof receiver}`,
          )
        }
        if (!isAsync) assert.throws(() => callOn(Stack, 'dispose', receiver), TypeError)
        // It never throws: the promise that it returns rejects.
        else await wrongReceiverRejects(Stack, receiver)
      }
    },
  )
}

async function wrongReceiverRejects(
  Stack: Stacks[(typeof both)[number]],
  receiver: unknown,
): Promise<void> {
  const promise = callOn(Stack, 'disposeAsync', receiver)
  assert.ok(promise instanceof Promise)
  assert.ok((await rejection(promise)) instanceof TypeError)
}

/** Call a method, or read the accessor, on any receiver. */
function callOn(Stack: Stacks[(typeof both)[number]], key: string, receiver: unknown): unknown {
  const descriptor: Readonly<Record<string, unknown>> = {
    ...Object.getOwnPropertyDescriptor(Stack.prototype, key),
  }
  // One of the two is there, and is a function.
  return Reflect.apply((descriptor['value'] ?? descriptor['get']) as () => unknown, receiver, [])
}

function isDisposed(Stack: Stacks[(typeof both)[number]], stack: unknown): unknown {
  return callOn(Stack, 'disposed', stack)
}

function methodsOf(prototype: object): (new () => unknown)[] {
  const keys = Reflect.ownKeys(prototype).filter((key) => key !== 'constructor')
  const found = keys.flatMap((key): unknown[] =>
    Object.values(Object.getOwnPropertyDescriptor(prototype, key) ?? {}),
  )
  return found.filter((value): value is new () => unknown => typeof value === 'function')
}

/** Bound, it is a constructor without a prototype of its own. */
function nothing(this: unknown): void {}
