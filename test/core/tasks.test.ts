/** What a scope waits for: forked tasks, and several at once with `all`. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  currentScope,
  inject,
  ScopeClosedError,
  tryCurrentScope,
  type Scope,
  type Task,
} from 'unwind'
import { setUp, taken } from './support/app.ts'
import { chain, ending } from './support/chain.ts'
import { isPending, quiet, rejection, thrown, within } from './support/promises.ts'

/** Rejects with the reason once the signal aborts, as what listens to a signal does. */
function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error)
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort, { once: true })
  })
}

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
    ])
    assert.equal(chain(await rejection(all)), 'A')
  })
  assert.deepEqual(taken(unthrown), ['cleanup'])
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
    await assert.rejects(scope.all(undefined as never), TypeError)
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
