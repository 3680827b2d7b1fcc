/** What `AsyncDisposableStack` of `unwind/stack` does, clause by clause of the standard. */
import assert from 'node:assert/strict'
import { chain, errorsOf } from '../support/chain.ts'
import { isPending, quiet, rejection, within } from '../support/promises.ts'
import { disposable, same } from '../support/stacks.ts'

/** A sync disposer that returns what it has no business to return. */
function returning(value: unknown): Disposable {
  const dispose = (): unknown => value
  return { [Symbol.dispose]: dispose }
}

function asyncDisposable(name: string, events: unknown[]): AsyncDisposable {
  return {
    async [Symbol.asyncDispose]() {
      events.push(`${name} begins`)
      await quiet()
      events.push(`${name} ends`)
    },
  }
}

same(
  'what was added last is disposed first, each only after the one before it has ended',
  async ({ AsyncDisposableStack }) => {
    const events: unknown[] = []
    const stack = new AsyncDisposableStack()
    stack.use(disposable('sync', events))
    stack.use(asyncDisposable('async', events))
    stack.adopt('adopted', async (value) => {
      await quiet()
      events.push(value)
    })
    stack.defer(async () => {
      await quiet()
      events.push('deferred')
    })
    assert.equal(await stack.disposeAsync(), undefined)
    assert.deepEqual(events, ['deferred', 'adopted', 'async begins', 'async ends', 'sync'])
  },
)

same('use prefers the async method and does not look at the other', ({ AsyncDisposableStack }) => {
  const reads: string[] = []
  const value = {
    get [Symbol.asyncDispose]() {
      reads.push('async')
      return async () => {}
    },
    get [Symbol.dispose]() {
      reads.push('sync')
      return () => {}
    },
  }
  const stack = new AsyncDisposableStack()
  assert.equal(stack.use(value), value)
  assert.deepEqual(reads, ['async'])
})

same(
  'use takes the sync method where the async one is null or undefined, reading each once',
  async ({ AsyncDisposableStack }) => {
    for (const absent of [null, undefined]) {
      const reads: string[] = []
      const value = {
        get [Symbol.asyncDispose]() {
          reads.push('async')
          return absent
        },
        get [Symbol.dispose]() {
          reads.push('sync')
          return () => void reads.push('disposed')
        },
      }
      const stack = new AsyncDisposableStack()
      stack.use(value as never)
      await stack.disposeAsync()
      assert.deepEqual(reads, ['async', 'sync', 'disposed'])
    }
  },
)

same('use calls the method on the value, without an argument', async ({ AsyncDisposableStack }) => {
  const stack = new AsyncDisposableStack()
  const calls: unknown[] = []
  const record = function (this: unknown, ...parameters: unknown[]): Promise<void> {
    calls.push(this, parameters.length)
    return Promise.resolve()
  }
  const value = stack.use({ [Symbol.asyncDispose]: record })
  const fallback = stack.use({ [Symbol.dispose]: record })
  stack.adopt('adopted', record)
  stack.defer(record)
  await stack.disposeAsync()
  assert.deepEqual(calls, [undefined, 0, undefined, 1, fallback, 0, value, 0])
})

same(
  'use takes null, undefined and functions, and no other primitive',
  ({ AsyncDisposableStack }) => {
    const stack = new AsyncDisposableStack()
    const callable = Object.assign(() => {}, { [Symbol.asyncDispose]: async () => {} })
    assert.equal(stack.use(null), null)
    assert.equal(stack.use(undefined), undefined)
    assert.equal(stack.use(callable), callable)
    for (const value of [1, true, false, '', 'text', Symbol('s'), 1n]) {
      assert.throws(() => stack.use(value as never), TypeError)
    }
  },
)

same('use refuses an object without a method that can be called', ({ AsyncDisposableStack }) => {
  const stack = new AsyncDisposableStack()
  for (const method of [0, 'text', {}, true, Symbol('s')]) {
    assert.throws(() => stack.use({ [Symbol.asyncDispose]: method } as never), TypeError)
    assert.throws(() => stack.use({ [Symbol.dispose]: method } as never), TypeError)
    // A method that is there and cannot be called is no reason to look for the other.
    const value = { [Symbol.asyncDispose]: method, [Symbol.dispose]: () => {} }
    assert.throws(() => stack.use(value as never), TypeError)
  }
  for (const value of [{}, [], { [Symbol.asyncDispose]: null, [Symbol.dispose]: undefined }]) {
    assert.throws(() => stack.use(value as never), TypeError)
  }
})

same('adopt and defer refuse what cannot be called', ({ AsyncDisposableStack }) => {
  const stack = new AsyncDisposableStack()
  for (const callback of [undefined, null, 0, 'text', {}, [], Symbol('s'), true]) {
    assert.throws(() => stack.adopt(null, callback as never), TypeError)
    assert.throws(() => stack.defer(callback as never), TypeError)
  }
})

same(
  'what a sync disposer returns is not waited for, and its rejection is not looked at',
  async ({ AsyncDisposableStack }) => {
    const stack = new AsyncDisposableStack()
    const never = new Promise<void>(() => {})
    stack.use(returning(never))
    // Whether it is a thenable is not asked.
    stack.use(returning(new Proxy({}, { get: () => thrower(new Error('looked at')) })))
    assert.equal(await within(stack.disposeAsync()), undefined)
  },
)

same('what adopt and defer return is waited for', async ({ AsyncDisposableStack }) => {
  for (const add of ['adopt', 'defer'] as const) {
    const stack = new AsyncDisposableStack()
    const never = new Promise<void>(() => {})
    if (add === 'adopt') stack.adopt(1, () => never)
    else stack.defer(() => never)
    assert.ok(await isPending(stack.disposeAsync()))
  }
})

same('one error comes out as it is, undefined and null too', async ({ AsyncDisposableStack }) => {
  for (const error of [new Error('one'), undefined, null, 0]) {
    for (const fail of [async () => thrower(error), () => thrower(error)]) {
      const stack = new AsyncDisposableStack()
      const events: string[] = []
      stack.use(disposable('older', events))
      stack.use({ [Symbol.asyncDispose]: fail })
      stack.use(disposable('newer', events))
      assert.equal(await rejection(stack.disposeAsync()), error)
      assert.deepEqual(events, ['newer', 'older'])
    }
  }
})

same(
  'several errors are a chain of SuppressedErrors, newest outside, however they were thrown',
  async ({ AsyncDisposableStack, SuppressedError }) => {
    const errors = [new Error('fourth'), new Error('third'), undefined, new Error('first')]
    const stack = new AsyncDisposableStack()
    stack.use({ [Symbol.dispose]: () => thrower(errors[0]) })
    stack.use({ [Symbol.asyncDispose]: () => thrower(errors[1]) })
    stack.adopt(errors[2], async (error) => thrower(error))
    stack.defer(async () => thrower(errors[3]))
    const error = await rejection(stack.disposeAsync())
    assert.deepEqual(errorsOf(error), errors)
    assert.ok(error instanceof SuppressedError)
    return [chain(error), error.message, Object.getOwnPropertyNames(error).toSorted()]
  },
)

same('the first disposer runs before disposeAsync returns', ({ AsyncDisposableStack }) => {
  const events: unknown[] = []
  const stack = new AsyncDisposableStack()
  stack.use(disposable('older', events))
  stack.use(disposable('newer', events))
  const disposing = stack.disposeAsync()
  assert.deepEqual(events, ['newer'])
  return disposing
})

same(
  'the state is disposed before the first disposer runs, and stays so while it does',
  async ({ AsyncDisposableStack }) => {
    const stack = new AsyncDisposableStack()
    let calls = 0
    stack.defer(async () => {
      calls += 1
      assert.equal(stack.disposed, true)
      for (const act of uses(stack)) assert.throws(act, ReferenceError)
      await within(stack.disposeAsync())
    })
    assert.equal(stack.disposed, false)
    await within(stack.disposeAsync())
    for (const act of uses(stack)) assert.throws(act, ReferenceError)
    assert.equal(calls, 1)
  },
)

same(
  'a second disposeAsync resolves at once, does not wait for the first and does not see it fail',
  async ({ AsyncDisposableStack }) => {
    const gate = Promise.withResolvers<void>()
    const stack = new AsyncDisposableStack()
    stack.defer(() => gate.promise)
    const first = stack.disposeAsync()
    const second = stack.disposeAsync()
    assert.notEqual(first, second)
    assert.equal(await within(second), undefined)
    assert.ok(await isPending(first))
    gate.reject(new Error('late'))
    assert.equal(chain(await rejection(first)), 'late')
    assert.equal(await stack[Symbol.asyncDispose](), undefined)
  },
)

same(
  'move hands everything to a new stack and disposes nothing',
  async ({ AsyncDisposableStack }) => {
    const events: unknown[] = []
    const stack = new AsyncDisposableStack()
    stack.use(disposable('older', events))
    stack.defer(() => void events.push('newer'))
    const moved = stack.move()
    assert.deepEqual([stack.disposed, moved.disposed], [true, false])
    await stack.disposeAsync()
    assert.deepEqual(events, [])
    moved.use(disposable('newest', events))
    await moved.disposeAsync()
    assert.deepEqual(events, ['newest', 'newer', 'older'])
  },
)

function thrower(error: unknown): never {
  throw error
}

/** Everything that a disposed stack refuses, with arguments that would be refused too. */
function uses(stack: AsyncDisposableStack): (() => unknown)[] {
  return [
    () => stack.use(null),
    () => stack.use({} as never),
    () => stack.adopt(1, () => {}),
    () => stack.adopt(1, 'no function' as never),
    () => stack.defer(() => {}),
    () => stack.defer('no function' as never),
    () => stack.move(),
  ]
}
