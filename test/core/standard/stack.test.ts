/** What `DisposableStack` of `unwind/stack` does, clause by clause of the standard. */
import assert from 'node:assert/strict'
import { chain, errorsOf } from '../support/chain.ts'
import { thrown } from '../support/promises.ts'
import { disposable, same } from '../support/stacks.ts'

function fail(error: unknown): never {
  throw error
}

same('what was added last is disposed first, whichever way it was added', ({ DisposableStack }) => {
  const events: unknown[] = []
  const stack = new DisposableStack()
  stack.use(disposable('used', events))
  stack.adopt('adopted', (value) => void events.push(value))
  stack.defer(() => void events.push('deferred'))
  stack.use(disposable('used too', events))
  assert.equal(stack.dispose(), undefined)
  assert.deepEqual(events, ['used too', 'deferred', 'adopted', 'used'])
  return events
})

same('use calls the method on the value, without an argument', ({ DisposableStack }) => {
  const stack = new DisposableStack()
  const calls: unknown[] = []
  const value = {
    [Symbol.dispose](...parameters: unknown[]): void {
      calls.push(this, parameters.length)
    },
  }
  assert.equal(stack.use(value), value)
  stack.dispose()
  assert.deepEqual(calls, [value, 0])
})

same(
  'adopt calls the function with the value alone, and takes any value',
  ({ DisposableStack }) => {
    const stack = new DisposableStack()
    const values = [undefined, null, 0, '', false, Symbol.iterator, 1n, Number.NaN, {}, () => {}]
    const calls: unknown[][] = []
    for (const value of values) {
      const adopted = stack.adopt(value, function (this: unknown, ...parameters: unknown[]) {
        calls.unshift([this, ...parameters])
      })
      assert.ok(Object.is(adopted, value))
    }
    stack.dispose()
    assert.deepEqual(
      calls,
      values.map((value) => [undefined, value]),
    )
  },
)

same(
  'defer calls the function without receiver and argument, and returns nothing',
  ({ DisposableStack }) => {
    const stack = new DisposableStack()
    const calls: unknown[] = []
    const returned: unknown = stack.defer(function (this: unknown, ...parameters: unknown[]) {
      calls.push(this, parameters.length)
    })
    stack.dispose()
    assert.equal(returned, undefined)
    assert.deepEqual(calls, [undefined, 0])
  },
)

same('use takes null and undefined, and a function that can be disposed', ({ DisposableStack }) => {
  const stack = new DisposableStack()
  let disposals = 0
  const callable = Object.assign(() => {}, { [Symbol.dispose]: () => void (disposals += 1) })
  assert.equal(stack.use(null), null)
  assert.equal(stack.use(undefined), undefined)
  assert.equal(stack.use(callable), callable)
  stack.dispose()
  assert.equal(disposals, 1)
})

same(
  'use takes no other primitive, even where its prototype has the method',
  ({ DisposableStack }) => {
    const prototype: object = Number.prototype
    Object.defineProperty(prototype, Symbol.dispose, {
      value: () => {},
      configurable: true,
    })
    try {
      for (const value of [1, true, false, '', 'text', Symbol('s'), 1n]) {
        assert.throws(() => new DisposableStack().use(value as never), TypeError)
      }
    } finally {
      Reflect.deleteProperty(prototype, Symbol.dispose)
    }
  },
)

same(
  'use refuses an object without a method that can be called, and adds nothing',
  ({ DisposableStack }) => {
    const stack = new DisposableStack()
    const wrong = [undefined, null, 0, 'text', {}, true, Symbol('s')].map(withMethod)
    const onlyAsync = { [Symbol.asyncDispose]: () => {} } as never
    for (const value of [...wrong, {} as never, [] as never, onlyAsync]) {
      assert.throws(() => stack.use(value), TypeError)
    }
    assert.equal(stack.disposed, false)
    stack.dispose()
  },
)

same(
  'use reads the method once, when it is called; a later change changes nothing',
  ({ DisposableStack }) => {
    const stack = new DisposableStack()
    const events: string[] = []
    const value: Disposable = {
      get [Symbol.dispose]() {
        events.push('read')
        return () => void events.push('disposed')
      },
    }
    stack.use(value)
    Object.defineProperty(value, Symbol.dispose, { value: () => void events.push('replaced') })
    stack.dispose()
    assert.deepEqual(events, ['read', 'disposed'])
  },
)

same('use passes on what reading the method throws', ({ DisposableStack }) => {
  const failure = new Error('unreadable')
  const value = {
    get [Symbol.dispose](): never {
      throw failure
    },
  }
  assert.equal(
    thrown(() => new DisposableStack().use(value)),
    failure,
  )
})

same(
  'a disposer is called as the language calls it, whatever its own call and apply are',
  ({ DisposableStack }) => {
    const events: string[] = []
    const odd = Object.assign(() => void events.push('called'), {
      call: () => events.push('call'),
      apply: () => events.push('apply'),
    })
    const stack = new DisposableStack()
    stack.defer(odd)
    stack.adopt(1, odd)
    stack.use({ [Symbol.dispose]: odd })
    stack.dispose()
    assert.deepEqual(events, ['called', 'called', 'called'])
  },
)

same('adopt and defer refuse what cannot be called', ({ DisposableStack }) => {
  const stack = new DisposableStack()
  for (const callback of [undefined, null, 0, 'text', {}, [], Symbol('s'), true]) {
    assert.throws(() => stack.adopt(null, callback as never), TypeError)
    assert.throws(() => stack.defer(callback as never), TypeError)
  }
})

same('one error comes out as it is, undefined and null too', ({ DisposableStack }) => {
  const error = new Error('one')
  const outcomes = [error, undefined, null, 0].map((failure) => {
    const stack = new DisposableStack()
    const events: string[] = []
    stack.use(disposable('older', events))
    stack.defer(() => fail(failure))
    stack.use(disposable('newer', events))
    return { thrown: thrown(() => stack.dispose()), events }
  })
  const events = ['newer', 'older']
  assert.deepEqual(outcomes, [
    { thrown: error, events },
    { thrown: undefined, events },
    { thrown: null, events },
    { thrown: 0, events },
  ])
})

same(
  'several errors are a chain of SuppressedErrors, newest outside',
  ({ DisposableStack, SuppressedError }) => {
    const stack = new DisposableStack()
    const errors = [new Error('third'), undefined, new Error('first')]
    for (const error of errors) stack.defer(() => fail(error))
    const error = thrown(() => stack.dispose())
    assert.deepEqual(errorsOf(error), errors)
    assert.ok(error instanceof SuppressedError && error.suppressed instanceof SuppressedError)
    assert.deepEqual(Object.keys(error), [])
    assert.ok(Object.hasOwn(error, 'error') && Object.hasOwn(error, 'suppressed'))
    return [chain(error), error.message, Object.getOwnPropertyNames(error).toSorted()]
  },
)

same('the state is disposed before the first disposer runs', ({ DisposableStack }) => {
  const stack = new DisposableStack()
  const seen: unknown[] = []
  stack.defer(() => {
    seen.push(stack.disposed, stack.dispose())
    for (const act of uses(stack)) assert.throws(act, ReferenceError)
  })
  assert.equal(stack.disposed, false)
  stack.dispose()
  assert.deepEqual(seen, [true, undefined])
})

same(
  'after disposal everything but disposing is a ReferenceError, whatever the argument',
  ({ DisposableStack }) => {
    const stack = new DisposableStack()
    stack.dispose()
    for (const act of uses(stack)) assert.throws(act, ReferenceError)
    assert.equal(stack.disposed, true)
  },
)

same(
  'a second disposal does nothing, and does not see the first one fail',
  ({ DisposableStack }) => {
    const stack = new DisposableStack()
    let calls = 0
    stack.defer(() => {
      calls += 1
      throw new Error('once')
    })
    assert.throws(() => stack.dispose(), /once/)
    assert.equal(stack.dispose(), undefined)
    assert.equal(stack[Symbol.dispose](), undefined)
    assert.equal(calls, 1)
  },
)

same('move hands everything to a new stack and disposes nothing', ({ DisposableStack }) => {
  const events: unknown[] = []
  const stack = new DisposableStack()
  stack.use(disposable('older', events))
  stack.use(disposable('newer', events))
  const moved = stack.move()
  assert.notEqual(moved, stack)
  assert.deepEqual([stack.disposed, moved.disposed], [true, false])
  stack.dispose()
  assert.deepEqual(events, [])
  moved.use(disposable('newest', events))
  moved.dispose()
  assert.deepEqual(events, ['newest', 'newer', 'older'])
})

/** Everything that a disposed stack refuses, with arguments that would be refused too. */
function uses(stack: DisposableStack): (() => unknown)[] {
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

function withMethod(value: unknown): never {
  return { [Symbol.dispose]: value } as never
}
