/** A task that fails takes its scope along; one that was aborted on its own does not. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { App, Scope } from 'unwind'
import { setUp } from './support/app.ts'
import { chain, errorsOf } from './support/chain.ts'
import { quiet, rejection } from './support/promises.ts'
import { untilAborted } from './support/aborting.ts'

test('the first failing task aborts body and siblings, and is the error of run', async (t) => {
  const { app, tracker } = setUp(t)
  const failure = new Error('T')
  const seen: unknown[] = []
  const running = app.run(async (scope) => {
    await scope.get(tracker.resource('lease'))
    void scope.fork((signal) =>
      untilAborted(signal).catch((error: unknown) => {
        seen.push(error)
        throw error
      }),
    )
    void scope.fork(async () => {
      await quiet()
      throw failure
    })
    await untilAborted(scope.signal)
  })
  assert.equal(await rejection(running), failure)
  assert.deepEqual(seen, [failure])
  assert.deepEqual(tracker.exits, ['lease: failure(T)'])
})

test('a failing task fails a body that succeeded, and one that never looked', async (t) => {
  const { app, tracker } = setUp(t)
  const failure = new Error('T')
  const running = app.run(async (scope) => {
    await scope.get(tracker.resource('lease'))
    void scope.fork(() => Promise.reject(failure))
    return 'value'
  })
  assert.equal(await rejection(running), failure)
  assert.deepEqual(tracker.exits, ['lease: failure(T)'])
})

test('a body that catches the error of its task fails all the same', async (t) => {
  const { app } = setUp(t)
  const failure = new Error('T')
  const running = app.run(async (scope) => {
    await scope.fork(() => Promise.reject(failure)).catch(() => {})
    return 'value'
  })
  assert.equal(await rejection(running), failure)
})

test('a body that rejects with an AbortError caused by the failure says nothing new', async (t) => {
  const { app } = setUp(t)
  const failure = new Error('T')
  const running = app.run(async (scope) => {
    void scope.fork(() => Promise.reject(failure))
    await sleep(600_000, undefined, { signal: scope.signal })
  })
  assert.equal(await rejection(running), failure)
})

test('several failures are an AggregateError: the body first, then the tasks in their order', async (t) => {
  const { app, tracker } = setUp(t)
  const [body, first, second] = [new Error('B'), new Error('T1'), new Error('T2')]
  const running = app.run(async (scope) => {
    await scope.get(tracker.resource('lease'))
    const gate = Promise.withResolvers<void>()
    void scope.fork(async () => {
      await gate.promise
      throw first
    })
    void scope.fork(async () => {
      await gate.promise
      throw second
    })
    gate.resolve()
    await quiet()
    throw body
  })
  const error = await rejection(running)
  assert.ok(error instanceof AggregateError)
  assert.deepEqual(error.errors, [body, first, second])
  assert.deepEqual(tracker.exits, ['lease: failure(3 parts of the scope failed.)'])
})

test('tasks alone that fail are an AggregateError too', async (t) => {
  const { app } = setUp(t)
  const [first, second] = [new Error('T1'), new Error('T2')]
  const error = await rejection(
    app.run((scope) => {
      void scope.fork(() => Promise.reject(first))
      void scope.fork(() => Promise.reject(second))
    }),
  )
  assert.ok(error instanceof AggregateError)
  assert.deepEqual(error.errors, [first, second])
})

test('a failing release after a failing task suppresses its error', async (t) => {
  const { app } = setUp(t)
  const running = app.run((scope) => {
    scope.defer(() => Promise.reject(new Error('D')))
    void scope.fork(() => Promise.reject(new Error('T')))
  })
  assert.equal(chain(await rejection(running)), 'S(D←T)')
})

test('a task that throws before its first await fails as any other', async (t) => {
  const { app } = setUp(t)
  const failure = new Error('T')
  const running = app.run((scope) => {
    const task = scope.fork(() => {
      throw failure
    })
    assert.ok(task instanceof Promise)
    return 1
  })
  assert.equal(await rejection(running), failure)
})

test('aborting one task leaves its scope and the others alone', async (t) => {
  const { app } = setUp(t)
  const reason = new Error('R')
  await app.run(async (scope) => {
    const task = scope.fork(untilAborted)
    const other = scope.fork(async (signal) => {
      await quiet()
      return signal.aborted
    })
    task.abort(reason)
    assert.equal(await rejection(task), reason)
    assert.equal(await other, false)
    assert.equal(scope.signal.aborted, false)
  })
})

test('a task that is aborted without a reason, and twice, rejects with an AbortError once', async (t) => {
  const { app } = setUp(t)
  await app.run(async (scope) => {
    const task = scope.fork(untilAborted)
    task.abort()
    task.abort(new Error('later'))
    assert.equal(((await rejection(task)) as Error).name, 'AbortError')
  })
})

test('a task that fails otherwise after its abort fails its scope', async (t) => {
  const { app } = setUp(t)
  const failure = new Error('T')
  const running = app.run((scope) => {
    const task = scope.fork(async (signal) => {
      await untilAborted(signal).catch(() => {})
      throw failure
    })
    task.abort()
  })
  assert.equal(await rejection(running), failure)
})

test('a task that announces a failure after the body settled fails the scope', async (t) => {
  const { app, tracker } = setUp(t)
  const [B, E] = [new Error('B'), new Error('E')]
  const open = async (scope: Scope): Promise<void> => {
    await scope.get(tracker.resource('lease'))
    const announce = async (): Promise<void> => {
      await quiet()
      assert.equal(scope.state, 'draining')
      scope.fail(E)
      assert.equal(scope.signal.aborted, true)
    }
    void scope.fork(announce)
  }
  await app.run(open)
  const child = app.child()
  await open(child)
  child.complete()
  await child.close()
  assert.deepEqual(tracker.exits, ['lease: failure(E)', 'lease: failure(E)'])
  // What the body threw is thrown all the same.
  const error = await rejection(app.run((scope) => open(scope).then(() => Promise.reject(B))))
  assert.deepEqual(errorsOf(error), [E, B])
})

test('what a child fails with at its close comes after what the tasks failed with, whose error stays the primary one', async (t) => {
  const { app } = setUp(t)
  const running = app.run((scope) => {
    scope.child().defer(() => Promise.reject(new Error('D')))
    void scope.fork(() => Promise.reject(new Error('T')))
    throw new Error('B')
  })
  const error = await rejection(running)
  const [newest, siblings] = errorsOf(error)
  assert.equal(chain(newest), 'D')
  assert.ok(siblings instanceof AggregateError)
  assert.deepEqual(siblings.errors.map(chain), ['B', 'T'])
})

test('a body that says that it was aborted from outside adds nothing to what a task fails with', async (t) => {
  const { app, tracker } = setUp(t)
  const failure = new Error('T')
  const running = app.run(async (scope) => {
    await scope.get(tracker.resource('lease'))
    void scope.fork(async (signal) => {
      await untilAborted(signal).catch(() => {})
      throw failure
    })
    scope.abort(new Error('R'))
    scope.signal.throwIfAborted()
  })
  assert.equal(await rejection(running), failure)
  assert.deepEqual(tracker.exits, ['lease: aborted(R, T)'])
})

for (const [what, open] of [
  [
    'run',
    async (app: App, work: (scope: Scope) => Promise<void>): Promise<void> => await app.run(work),
  ],
  [
    'an explicit scope',
    async (app: App, work: (scope: Scope) => Promise<void>): Promise<void> => {
      await using scope = app.child()
      await work(scope)
      scope.complete()
    },
  ],
] as const) {
  test(`an abort that cuts a task off once the work of ${what} has ended makes it aborted, as its work is not whole`, async (t) => {
    const { app, tracker } = setUp(t)
    const echoes: unknown[] = []
    let ending: Scope | undefined
    const running = open(app, async (scope) => {
      ending = scope
      await scope.get(tracker.resource('lease'))
      for (const delay of [60_000, 70_000]) {
        const task = scope.fork((signal) => sleep(delay, undefined, { signal }))
        task.catch((error: unknown) => echoes.push(error))
      }
    })
    await quiet()
    assert.equal(ending?.state, 'draining')
    ending.abort(new Error('R'))
    assert.equal(await rejection(running), echoes[0])
    assert.deepEqual(tracker.exits, ['lease: aborted(R, The operation was aborted)'])
  })
}

test('a task that ends well all the same, after such an abort, leaves a success', async (t) => {
  const { app, tracker } = setUp(t)
  let ending: Scope | undefined
  const running = app.run(async (scope) => {
    ending = scope
    await scope.get(tracker.resource('lease'))
    void scope.fork((signal) => untilAborted(signal).catch(() => {}))
  })
  await quiet()
  ending?.abort()
  await running
  assert.deepEqual(tracker.exits, ['lease: success'])
})
