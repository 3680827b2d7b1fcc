/** Several tasks at once with `all`, and jobs with a scope of their own with `detach`. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { currentScope, inject, ScopeClosedError, type Task } from 'unwind'
import { setUp, taken } from './support/app.ts'
import { chain, ending } from './support/chain.ts'
import { isPending, quiet, rejection, thrown, within } from './support/promises.ts'
import { untilAborted } from './support/aborting.ts'

test('all gives the results in the order of the tasks', async (t) => {
  const { app } = setUp(t)
  const results = await app.run((scope) =>
    scope.all([
      async () => {
        await quiet()
        return 1
      },
      () => 'two',
      async () => undefined,
    ]),
  )
  assert.deepEqual(results, [1, 'two', undefined])
  assert.deepEqual(await app.run((scope) => scope.all([])), [])
})

test('all runs its tasks side by side, each with the scope ambient', async (t) => {
  const { app } = setUp(t)
  const gate = Promise.withResolvers<void>()
  await within(
    app.run((scope) =>
      scope.all([
        async () => {
          await gate.promise
          assert.equal(currentScope(), scope)
        },
        async () => {
          await quiet()
          gate.resolve()
        },
      ]),
    ),
  )
})

test('the first failure of all aborts the others, all are awaited, and then it rejects with that', async (t) => {
  const { app } = setUp(t)
  const failure = new Error('A')
  const events: unknown[] = []
  await app.run(async (scope) => {
    const all = scope.all([
      () => Promise.reject(failure),
      async (signal) => {
        await untilAborted(signal).catch((error: unknown) => events.push(error))
        await quiet()
        events.push('awaited')
      },
    ])
    assert.equal(await rejection(all), failure)
    assert.deepEqual(events, [failure, 'awaited'])
    // What was caught does not fail the scope.
    assert.equal(scope.signal.aborted, false)
  })
})

test('a later failure of all that says something of its own is reported, an echo of the abort is not', async (t) => {
  const { app, unthrown } = setUp(t)
  await app.run(async (scope) => {
    const all = scope.all([
      () => Promise.reject(new Error('A')),
      (signal) => untilAborted(signal),
      (signal) => sleep(600_000, undefined, { signal }),
      async (signal) => {
        await untilAborted(signal).catch(() => {})
        throw new Error('cleanup')
      },
      async (signal) => {
        await untilAborted(signal).catch(() => {})
        throw new DOMException('of another signal', 'AbortError')
      },
    ])
    assert.equal(chain(await rejection(all)), 'A')
  })
  assert.deepEqual(taken(unthrown), ['cleanup', 'of another signal'])
})

test('an abort of the scope reaches the tasks of all', async (t) => {
  const { app } = setUp(t)
  const reason = new Error('R')
  const running = app.run(async (scope) => {
    const all = scope.all([untilAborted, untilAborted])
    scope.abort(reason)
    await all
  })
  assert.equal(await rejection(running), reason)
})

test('a scope that ends while its all still runs waits for that', async (t) => {
  const { app, tracker } = setUp(t)
  await app.run(async (scope) => {
    const held = await scope.get(tracker.resource('lease'))
    void scope.all([
      async () => {
        await quiet()
        tracker.use(held)
      },
    ])
  })
})

test('all refuses what is no list of functions, as a rejection', async (t) => {
  const { app } = setUp(t)
  await app.run(async (scope) => {
    await assert.rejects(scope.all([1 as never]), /all\(\).*function/)
    await assert.rejects(scope.all(undefined as never), /all\(\).*an array of functions/)
    await assert.rejects(scope.all([() => 1, undefined as never]), TypeError)
  })
})

test('tasks are counted while they run', async (t) => {
  const { app } = setUp(t)
  await app.run(async (scope) => {
    const gate = Promise.withResolvers<void>()
    const tasks = [scope.fork(() => gate.promise), scope.fork(() => gate.promise)]
    assert.equal(scope.inspect().tasks, 2)
    gate.resolve()
    await Promise.all(tasks)
    await quiet()
    assert.equal(scope.inspect().tasks, 0)
  })
})

test('detach runs a job in a scope of its own under the app, and gives its result', async (t) => {
  const { app, tracker } = setUp(t)
  const lease = tracker.resource('lease')
  const result = await app.run({ name: 'request' }, async (request) => {
    const held = await request.get(lease)
    const task = app.detach(
      async (scope) => {
        assert.equal(scope.parent, app)
        assert.equal(scope.name, 'mail')
        assert.equal(currentScope(), scope)
        return (await scope.get(lease)) !== held
      },
      { name: 'mail' },
    )
    return await task
  })
  assert.equal(result, true)
})

test('a detached job goes on after its request, and cannot reach what that held', async (t) => {
  const { app, tracker } = setUp(t)
  const gate = Promise.withResolvers<void>()
  let task: Task<unknown> | undefined
  await app.run(async (request) => {
    await request.get(tracker.resource('lease'))
    task = app.detach(async () => {
      await gate.promise
      return thrown(() => request.child())
    })
  })
  assert.deepEqual(tracker.held, [])
  gate.resolve()
  assert.ok((await task) instanceof ScopeClosedError)
})

test('an abort of its request does not reach a detached job; its own abort does', async (t) => {
  const { app, unthrown } = setUp(t)
  const reason = new Error('R')
  let task: Task<unknown> | undefined
  await rejection(
    app.run(async (request) => {
      task = app.detach((scope) => untilAborted(scope.signal))
      request.abort(new Error('left'))
      await untilAborted(request.signal)
    }),
  )
  assert.ok(task !== undefined)
  assert.equal(await isPending(task), true)
  task.abort(reason)
  assert.equal(await rejection(task), reason)
  taken(unthrown)
})

test('a failing detached job rejects its task, goes to onError, and fails nobody else', async (t) => {
  const { app, unthrown } = setUp(t)
  const failure = new Error('J')
  await app.run(() => {
    void app.detach(() => Promise.reject(failure), { name: 'mail' })
  })
  await quiet()
  const [report] = unthrown.splice(0)
  assert.deepEqual([report?.error, report?.scope], [failure, 'mail'])
})

test('a detached job ends with its outcome, as every scope does', async (t) => {
  const { app, tracker } = setUp(t)
  await app.detach((scope) => scope.get(tracker.resource('lease')))
  assert.deepEqual(tracker.exits, ['lease: success'])
  const endings: string[] = []
  await app.detach((scope) => scope.defer((exit) => endings.push(ending(exit))))
  assert.deepEqual(endings, ['success'])
})

test('detach refuses what is no function, and throws on a closed app', async (t) => {
  const { app } = setUp(t)
  assert.throws(() => app.detach(1 as never), /detach\(\).*function/)
  assert.throws(() => app.detach(() => 1, { nam: 'x' } as never), /Unknown option `nam`/)
  await app.close()
  assert.ok(thrown(() => app.detach(() => 1)) instanceof ScopeClosedError)
})

test('inject inside of a task finds what its scope sees, also after an await', async (t) => {
  const { app, tracker } = setUp(t)
  const shared = tracker.resource('shared')
  await app.run(async (scope) => {
    const own = await scope.get(shared)
    const found = await scope.fork(async () => {
      await Promise.resolve()
      return await inject(shared)
    })
    assert.equal(found, own)
    assert.deepEqual(await scope.all([() => inject(shared), () => inject(shared)]), [own, own])
  })
})
