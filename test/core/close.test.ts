/** `close` and `await using`: once, whoever calls it and from where. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createApp, resource, type Scope } from 'unwind'
import { setUp } from './support/app.ts'
import { ending, errorsOf } from './support/chain.ts'
import { isPending, quiet, rejection, within } from './support/promises.ts'

const D = new Error('D')

test('closed in parallel, the finalizers run once, the first caller gets the error, the others wait and never reject', async (t) => {
  const { app, tracker } = setUp(t)
  const gate = Promise.withResolvers<void>()
  const scope = app.child()
  await scope.get(tracker.resource('outer'))
  scope.defer(async () => {
    await gate.promise
    throw D
  })
  const first = rejection(scope.close())
  const others = [scope.close(), scope[Symbol.asyncDispose](), scope.close()]
  for (const other of others) assert.equal(await isPending(other), true)
  gate.resolve()
  assert.equal(await first, D)
  await within(Promise.all(others))
  assert.deepEqual(tracker.events, ['+outer', '-outer'])
})

test('those who close a scope second wait until everything is released', async (t) => {
  const { app, tracker } = setUp(t)
  const scope = app.child()
  await scope.get(tracker.resource('slow', { onRelease: quiet }))
  void scope.close()
  await scope.close()
  assert.deepEqual(tracker.held, [])
  assert.equal(scope.state, 'closed')
})

test('closing a closed scope resolves, although the first close rejected', async (t) => {
  const { app } = setUp(t)
  const scope = app.child()
  scope.defer(() => Promise.reject(D))
  assert.equal(await rejection(scope.close()), D)
  await scope.close()
  await scope[Symbol.asyncDispose]()
})

test('whoever closes a scope whose run is ending waits for that', async (t) => {
  const { app } = setUp(t)
  const gate = Promise.withResolvers<void>()
  const opened = Promise.withResolvers<Scope>()
  const running = rejection(
    app.run((scope) => {
      opened.resolve(scope)
      scope.defer(async () => {
        await gate.promise
        throw D
      })
    }),
  )
  const scope = await opened.promise
  await quiet()
  const closing = scope.close()
  assert.equal(await isPending(closing), true)
  gate.resolve()
  await within(closing)
  assert.equal(await running, D)
})

type Closing = (scope: Scope, events: string[]) => Promise<void>

const reentrant: [from: string, act: Closing][] = [
  [
    'a finalizer',
    async (scope, events) => {
      scope.defer(async () => {
        await scope.close()
        await quiet()
        await scope.close()
        events.push('closed itself')
      })
      await scope.close()
    },
  ],
  [
    'the release of a resource',
    async (scope, events) => {
      const lease = resource({
        acquire: () => 1,
        release: async () => {
          await scope.close()
          events.push('closed itself')
        },
      })
      await scope.get(lease)
      await scope.close()
    },
  ],
  [
    'a task',
    async (scope, events) => {
      await scope.fork(async () => {
        await scope.close()
        events.push('closed itself')
      })
    },
  ],
  [
    'a nested run',
    async (scope, events) => {
      await scope.run(async () => {
        await scope.close()
        events.push('closed itself')
      })
    },
  ],
  [
    'a finalizer of a child',
    async (scope, events) => {
      scope.child().defer(async () => {
        await scope.close()
        events.push('closed itself')
      })
      await scope.close()
    },
  ],
  [
    'an acquisition',
    async (scope, events) => {
      const lease = resource({
        acquire: async () => {
          await scope.close()
          events.push('closed itself')
        },
      })
      await rejection(scope.get(lease))
    },
  ],
]

for (const [from, act] of reentrant) {
  test(`${from} that closes its own scope does not deadlock`, async (t) => {
    const { app, tracker } = setUp(t)
    const scope = app.child()
    scope.defer(() => tracker.events.push('outer finalizer'))
    await within(act(scope, tracker.events))
    await within(scope.close())
    assert.deepEqual(tracker.events.toSorted(), ['closed itself', 'outer finalizer'])
  })
}

test('a body that closes its own scope has it closed when close resolves, and its value still counts', async (t) => {
  const { app, tracker } = setUp(t)
  const result = await within(
    app.run(async (scope) => {
      await scope.get(tracker.resource('lease'))
      scope.complete()
      await scope.close()
      assert.equal(scope.state, 'closed')
      assert.deepEqual(tracker.held, [])
      return 'value'
    }),
  )
  assert.equal(result, 'value')
  assert.deepEqual(tracker.exits, ['lease: success'])
})

test('a request that closes its app does not deadlock', async (t) => {
  const { app, tracker } = setUp(t)
  await app.get(tracker.resource('pool', { lifetime: 'app' }))
  const running = app.run(async () => {
    await app.close()
    return 'value'
  })
  assert.equal(await within(running), 'value')
  await within(app.close())
  assert.equal(app.state, 'closed')
})

test('code that outlived its request waits for the end of the app as everybody else', async (t) => {
  const { app, tracker } = setUp(t)
  await app.get(tracker.resource('pool', { lifetime: 'app', onRelease: quiet }))
  const closed = Promise.withResolvers<void>()
  await app.run(() => {
    setImmediate(() => {
      app.close().then(() => {
        tracker.events.push('app closed')
        closed.resolve()
      }, closed.reject)
    })
  })
  await within(closed.promise)
  assert.deepEqual(tracker.events, ['+pool', '-pool', 'app closed'])
})

test('a scope that is closed while its body runs keeps its unknown outcome to the end', async (t) => {
  const { app } = setUp(t)
  const gate = Promise.withResolvers<void>()
  const ends: string[] = []
  let closing: Promise<void> | undefined
  const result = await within(
    app.run(async (scope) => {
      scope.defer((exit) => ends.push(ending(exit)))
      scope.defer(async (exit) => {
        ends.push(ending(exit))
        await gate.promise
      })
      closing = scope.close()
      setImmediate(() => gate.resolve())
      return 'value'
    }),
  )
  await closing
  assert.equal(result, 'value')
  assert.deepEqual(ends, ['unknown', 'unknown'])
})

test('an explicit close inside an await using block does not double the error', async (t) => {
  const { app } = setUp(t)
  const block = async (): Promise<void> => {
    await using scope = app.child()
    scope.defer(() => Promise.reject(D))
    await scope.close()
  }
  assert.equal(await rejection(block()), D)
})

test('a block that fails after an explicit close keeps both errors', async (t) => {
  const { app } = setUp(t)
  const B = new Error('B')
  const ends: string[] = []
  const block = async (): Promise<void> => {
    await using scope = app.child()
    scope.defer((exit) => ends.push(ending(exit)))
    scope.defer(() => Promise.reject(D))
    throw B
  }
  assert.deepEqual(errorsOf(await rejection(block())), [D, B])
  assert.deepEqual(ends, ['failure(D)'])
})

test('an await using scope is released at the end of its block, with an unknown outcome', async (t) => {
  const { app, tracker } = setUp(t)
  {
    await using scope = app.child()
    await scope.get(tracker.resource('lease'))
    assert.deepEqual(tracker.held, ['lease'])
  }
  assert.deepEqual(tracker.exits, ['lease: unknown'])
})

test('complete makes the outcome success, fail a failure that is not thrown', async (t) => {
  const { app, tracker } = setUp(t)
  {
    await using scope = app.child()
    await scope.get(tracker.resource('completed'))
    scope.complete()
  }
  {
    await using scope = app.child()
    await scope.get(tracker.resource('failed'))
    scope.fail(new Error('E'))
    assert.equal(scope.signal.aborted, true)
  }
  assert.deepEqual(tracker.exits, ['completed: success', 'failed: failure(E)'])
})

test('complete after fail changes nothing: what failed has not succeeded', async (t) => {
  const { app, tracker } = setUp(t)
  await using scope = app.child()
  await scope.get(tracker.resource('lease'))
  scope.fail(new Error('E'))
  scope.complete()
  await scope.close()
  assert.deepEqual(tracker.exits, ['lease: failure(E)'])
})

test('an error announced by fail is in the chain when something throws as well', async (t) => {
  const { app } = setUp(t)
  const [E, B] = [new Error('E'), new Error('B')]
  const running = app.run((scope) => {
    scope.fail(E)
    throw B
  })
  assert.deepEqual(errorsOf(await rejection(running)), [B, E])
  const scope = app.child()
  scope.fail(E)
  scope.defer(() => Promise.reject(D))
  assert.deepEqual(errorsOf(await rejection(scope.close())), [D, E])
})

test('a scope has no Symbol.dispose: it cannot be closed without waiting', async () => {
  await using app = createApp()
  assert.equal(Symbol.dispose in app, false)
  assert.equal(Symbol.dispose in app.child(), false)
  // @ts-expect-error -- a scope is closed with `await using`
  const asDisposable: Disposable = app
  assert.equal(asDisposable, app)
})
