/** What a scope waits for: the tasks that are forked in it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import { currentScope, ScopeClosedError, tryCurrentScope, type Scope, type Task } from 'unwind'
import { setUp } from './support/app.ts'
import { isPending, quiet, rejection, thrown, within } from './support/promises.ts'
import { untilAborted } from './support/aborting.ts'

test('a task is a promise of its result', async (t) => {
  const { app } = setUp(t)
  await app.run(async (scope) => {
    assert.equal(await scope.fork(() => 1), 1)
    assert.equal(await scope.fork(async () => 'text'), 'text')
    const task = scope.fork(() => 2)
    assert.ok(task instanceof Promise)
    assert.equal(await task.then((value) => value + 1), 3)
  })
})

test('a task starts at once, in the context of its caller, with its scope ambient', async (t) => {
  const { app } = setUp(t)
  await app.run(async (scope) => {
    let inside: Scope | undefined
    const task = scope.fork(async () => {
      inside = currentScope()
      await quiet()
      return currentScope()
    })
    assert.equal(inside, scope)
    assert.equal(await task, scope)
    const elsewhere = scope.child()
    assert.equal(await elsewhere.fork(() => tryCurrentScope()), elsewhere)
    assert.equal(currentScope(), scope)
  })
})

test('a scope that succeeded waits for its tasks before it releases anything', async (t) => {
  const { app, tracker } = setUp(t)
  const gate = Promise.withResolvers<void>()
  const lease = tracker.resource('lease')
  const running = app.run(async (scope) => {
    const held = await scope.get(lease)
    void scope.fork(async (signal) => {
      await gate.promise
      tracker.use(held)
      tracker.events.push(`task, ${signal.aborted}`)
    })
    return 'value'
  })
  assert.equal(await isPending(running), true)
  gate.resolve()
  assert.equal(await running, 'value')
  assert.deepEqual(tracker.events, ['+lease', 'task, false', '-lease'])
})

test('a scope that failed aborts its tasks with the error first, and then waits for them', async (t) => {
  const { app, tracker } = setUp(t)
  const failure = new Error('B')
  let reason: unknown
  const running = app.run(async (scope) => {
    await scope.get(tracker.resource('lease'))
    void scope.fork(async (signal) => {
      await untilAborted(signal).catch((error: unknown) => {
        reason = error
      })
      await quiet()
      tracker.events.push('task ended')
    })
    throw failure
  })
  assert.equal(await rejection(running), failure)
  assert.equal(reason, failure)
  assert.deepEqual(tracker.events, ['+lease', 'task ended', '-lease'])
  assert.deepEqual(tracker.exits, ['lease: failure(B)'])
})

test('an aborted scope aborts its tasks with the reason, and waits for them', async (t) => {
  const { app, tracker } = setUp(t)
  const reason = new Error('R')
  const running = app.run(async (scope) => {
    await scope.get(tracker.resource('lease'))
    const task = scope.fork(untilAborted)
    scope.abort(reason)
    await task
  })
  assert.equal(await rejection(running), reason)
  assert.deepEqual(tracker.exits, ['lease: aborted(R, R)'])
})

test('a task forked in an aborted scope is given an aborted signal', async (t) => {
  const { app } = setUp(t)
  await app.run(async (scope) => {
    scope.abort(new Error('R'))
    assert.equal(await scope.fork((signal) => (signal.reason as Error).message), 'R')
  })
})

test('a task forked in an app that was told to stop is given an aborted signal', async (t) => {
  const { app } = setUp(t)
  const reasons: unknown[] = []
  void app.fork(async (signal) => {
    await rejection(untilAborted(signal))
    void app.fork((next) => reasons.push(signal.reason, next.reason))
  })
  await within(app.close())
  assert.equal((reasons[0] as Error).name, 'ShutdownError')
  assert.equal(reasons[1], reasons[0])
})

test('a scope that is closed waits for its tasks, and for those below it, and aborts none of them', async (t) => {
  const { app } = setUp(t)
  const gate = Promise.withResolvers<void>()
  const scope = app.child()
  const signals = [scope.draining]
  for (const at of [scope, scope.child()]) {
    void at.fork(async (signal) => {
      signals.push(signal)
      await gate.promise
    })
  }
  const closed = scope.close()
  assert.equal(await isPending(closed), true)
  gate.resolve()
  await within(closed)
  assert.deepEqual(
    signals.map(({ aborted }) => aborted),
    [false, false, false],
  )
})

test('a task that is not to be waited for is aborted when its scope closes', async (t) => {
  const { app, tracker } = setUp(t)
  const reasons: unknown[] = []
  await app.run(async (scope) => {
    await scope.get(tracker.resource('lease'))
    void scope.fork(
      async (signal) => {
        await untilAborted(signal).catch((error: unknown) => reasons.push(error))
        tracker.events.push('poller ended')
      },
      { onClose: 'abort' },
    )
  })
  assert.equal((reasons[0] as Error).name, 'AbortError')
  assert.deepEqual(tracker.events, ['+lease', 'poller ended', '-lease'])
  assert.deepEqual(tracker.exits, ['lease: success'])
})

test('a poller that ends with the abort of its close does not fail its scope', async (t) => {
  const { app } = setUp(t)
  const ended = await app.run((scope) => {
    const task = scope.fork((signal) => sleep(600_000, undefined, { signal }), { onClose: 'abort' })
    task.catch(() => {})
    return 'value'
  })
  assert.equal(ended, 'value')
})

test('a task that is not to be waited for is aborted at once where its scope is closing already', async (t) => {
  const { app, tracker } = setUp(t)
  await within(
    app.run((scope) => {
      void scope.fork(async () => {
        await quiet()
        const poller = scope.fork(untilAborted, { onClose: 'abort' })
        await poller.catch(() => tracker.events.push('aborted'))
      })
    }),
  )
  assert.deepEqual(tracker.events, ['aborted'])
})

test('a task that ended has nothing left to abort', async (t) => {
  const { app } = setUp(t)
  await app.run(async (scope) => {
    const task: Task<number> = scope.fork(() => 1)
    await task
    task.abort()
    assert.equal(await task, 1)
    assert.equal(scope.inspect().tasks, 0)
  })
})

test('tasks can get, use and fork while their scope drains, and close it without a deadlock', async (t) => {
  const { app, tracker } = setUp(t)
  await within(
    app.run((scope) => {
      void scope.fork(async () => {
        await quiet()
        assert.equal(scope.state, 'draining')
        await scope.get(tracker.resource('late'))
        scope.use(tracker.disposable('used'))
        await scope.fork(() => tracker.events.push('inner task'))
        await scope.run(() => tracker.events.push('inner run'))
        await scope.close()
      })
    }),
  )
  assert.deepEqual(tracker.events, ['+late', '+used', 'inner task', 'inner run', '-used', '-late'])
})

test('a task that is forked when the last one has ended is waited for like that', async (t) => {
  const { app } = setUp(t)
  const gate = Promise.withResolvers<void>()
  const running = app.run((scope) => {
    void scope.fork(quiet).then(() => scope.fork(() => gate.promise))
  })
  await quiet()
  assert.equal(await isPending(running), true)
  gate.resolve()
  await within(running)
})

test('tasks of a child end before the resources of its parent are released', async (t) => {
  const { app, tracker } = setUp(t)
  await app.run(async (scope) => {
    const held = await scope.get(tracker.resource('lease'))
    const child = scope.child()
    void child.fork(async () => {
      await quiet()
      tracker.use(held)
    })
  })
})

test('fork and all on a closed scope throw a ScopeClosedError, and run nothing', async (t) => {
  const { app } = setUp(t)
  const scope = app.child({ name: 'upload' })
  await scope.close()
  let ran = false
  const job = (): void => {
    ran = true
  }
  const error = thrown(() => scope.fork(job))
  assert.ok(error instanceof ScopeClosedError)
  assert.match(error.message, /fork\(\).*"upload"/)
  assert.ok((await rejection(scope.all([job]))) instanceof ScopeClosedError)
  assert.equal(ran, false)
})

test('fork refuses what is no function, and unknown options', async (t) => {
  const { app } = setUp(t)
  await app.run((scope) => {
    assert.throws(() => scope.fork(1 as never), /fork\(\).*function/)
    assert.throws(() => scope.fork(() => 1, { onClose: 'kill' as never }), /onClose.*'await'/)
    assert.throws(() => scope.fork(() => 1, { on: 1 } as never), /Unknown option `on` of fork\(\)/)
  })
})

const ways: Record<string, (scope: Scope, act: () => Promise<void>) => Promise<void>> = {
  'enter()': (scope, act) => scope.enter(act),
  'a bound function': (scope, act) => scope.bind(act)(),
}

for (const [way, inside] of Object.entries(ways)) {
  test(`a task that closes its own scope inside ${way} does not wait for itself`, async (t) => {
    const { app } = setUp(t)
    const scope = app.child()
    const task = scope.fork(() => inside(scope, () => scope.close()))
    await within(task)
    await within(scope.close())
  })
}

test('what a task left behind waits for the end of its scope where it closes that', async (t) => {
  const { app } = setUp(t)
  const scope = app.child()
  const released = Promise.withResolvers<void>()
  scope.defer(() => released.promise)
  const left = Promise.withResolvers<void>()
  let closed: Promise<string> | undefined
  await scope.fork(() => {
    closed = left.promise.then(() => scope.close()).then(() => scope.state)
  })
  left.resolve()
  await turn()
  released.resolve()
  assert.equal(await closed, 'closed')
})

test('tasks that throw undefined are an error each', async (t) => {
  const { app } = setUp(t)
  const error = await rejection(
    app.run((scope) => {
      for (let i = 0; i < 2; i += 1) void scope.fork(() => Promise.reject(undefined))
    }),
  )
  assert.ok(error instanceof AggregateError)
  assert.deepEqual(error.errors, [undefined, undefined])
})
