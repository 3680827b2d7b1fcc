/** Every combination of errors, one test a row: what run or close gives, what finalizers see, what else happens. Rows 17 to 28. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  AbandonedError,
  DisposedError,
  hold,
  resource,
  ResourceProtocolError,
  ScopeClosedError,
  ScopeIncompleteError,
  type Scope,
} from 'unwind'
import { setUp, taken } from './support/app.ts'
import { chain } from './support/chain.ts'
import { isPending, quiet, rejection, thrown, within } from './support/promises.ts'
import { B, D1, D2, never, R, T, three, watch } from './support/combination.ts'

test('17: an abort, and the body never settles: it is waited for, or with abandonAfter an AbandonedError; aborted; what it held is destroyed, handles are dead', async (t) => {
  const { app } = setUp(t)
  const seen: string[] = []
  const lease = resource({
    name: 'lease',
    acquire: () => hold('value', () => void seen.push('pooled'), { name: 'lease' }),
    release: () => void seen.push('released'),
    destroy: async (held) => {
      await held[Symbol.asyncDispose]()
      seen.push('destroyed')
    },
  })
  let handle: { readonly value: string } | undefined
  const running = app.run({ abandonAfter: 10 }, async (scope) => {
    scope.defer((exit) => seen.push(exit.status))
    handle = await scope.get(lease)
    scope.abort(R)
    await never
  })
  const error = await rejection(running)
  assert.ok(error instanceof AbandonedError)
  assert.equal(error.cause, R)
  assert.deepEqual(seen, ['pooled', 'destroyed', 'aborted'])
  assert.ok(thrown(() => handle?.value) instanceof DisposedError)
  const patient = app.run((scope) => {
    scope.abort(R)
    return never
  })
  assert.equal(await isPending(patient), true)
  await within(app.shutdown({ grace: 0, abortGrace: 0 }))
})

test('18: get, fork, child and run on a closed scope: a ScopeClosedError with the scope, when it closed, and a hint; nothing is called', async (t) => {
  const { app, tracker } = setUp(t)
  const scope = app.child({ name: 'upload' })
  await scope.close()
  const untouched = tracker.resource('untouched')
  const errors = [
    await rejection(scope.get(untouched)),
    thrown(() => scope.fork(() => tracker.events.push('forked'))),
    thrown(() => scope.child()),
    await rejection(scope.run(() => tracker.events.push('ran'))),
  ]
  for (const error of errors) {
    assert.ok(error instanceof ScopeClosedError)
    assert.match(error.message, /"upload" \(.*closed \d+ ms ago\. Await what/)
  }
  assert.deepEqual(tracker.events, [])
})

test('19: adopt, defer and use on a closed scope: the cleanup runs at once with the stored outcome, then ScopeClosedError; its error goes to onError', async (t) => {
  const { app, unthrown } = setUp(t)
  const seen: string[] = []
  let scope: Scope | undefined
  await app.run((opened) => {
    scope = opened
  })
  assert.ok(scope !== undefined)
  const closed = scope
  const errors = [
    thrown(() => closed.adopt(1, (_value, exit) => watch(seen, 'adopt')(exit))),
    thrown(() => closed.defer(watch(seen, 'defer', D1))),
    thrown(() => closed.use({ [Symbol.dispose]: () => void seen.push('use') })),
  ]
  assert.ok(errors.every((error) => error instanceof ScopeClosedError))
  assert.deepEqual(seen, ['adopt: success', 'defer: success', 'use'])
  await quiet()
  assert.deepEqual(taken(unthrown), ['D1'])
})

test('20: closed twice at once: the first gets the error, the others wait and resolve; a call from its own finalizer resolves at once', async (t) => {
  const { app } = setUp(t)
  let runs = 0
  const scope = app.child()
  scope.defer(async () => {
    await scope.close()
    runs += 1
    throw D1
  })
  const [first, second, third] = await within(
    Promise.allSettled([scope.close(), scope.close(), scope[Symbol.asyncDispose]()]),
  )
  assert.equal(first.status === 'rejected' && first.reason, D1)
  assert.deepEqual([second.status, third.status, runs], ['fulfilled', 'fulfilled', 1])
})

for (const [what, body] of [
  ['succeeds', () => 'value'],
  [
    'echoes the abort',
    (scope: Scope) =>
      new Promise((_resolve, reject) => {
        scope.signal.addEventListener('abort', () => reject(scope.signal.reason as Error))
      }),
  ],
] as const) {
  test(`21: a task throws T and the body ${what}: T; failure(T); siblings and body are aborted and awaited`, async (t) => {
    const { app } = setUp(t)
    const seen: string[] = []
    const running = app.run((scope) => {
      scope.defer(watch(seen, 'D'))
      void scope.fork(async (signal) => {
        await new Promise<void>((resolve) => {
          signal.addEventListener('abort', () => resolve())
        })
        seen.push('sibling')
      })
      void scope.fork(async () => {
        await quiet()
        throw T
      })
      return body(scope)
    })
    assert.equal(await rejection(running), T)
    assert.deepEqual(seen, ['sibling', 'D: failure(T)'])
  })
}

test('22: tasks throw T1 and T2, the body B, each on its own account: AggregateError([B, T1, T2]); failure', async (t) => {
  const { app } = setUp(t)
  const seen: string[] = []
  const [T1, T2] = [new Error('T1'), new Error('T2')]
  const error = await rejection(
    app.run(async (scope) => {
      scope.defer((exit) => seen.push(exit.status))
      void scope.fork(() => Promise.reject(T1))
      void scope.fork(() => Promise.reject(T2))
      await quiet()
      throw B
    }),
  )
  assert.ok(error instanceof AggregateError)
  assert.deepEqual(error.errors, [B, T1, T2])
  assert.deepEqual(seen, ['failure'])
})

test('23: the close of a child fails: it counts as a disposer before the resources of its parent; failure', async (t) => {
  const { app } = setUp(t)
  const seen: string[] = []
  const error = await rejection(
    app.run((scope) => {
      scope.defer(watch(seen, 'parent', D2))
      scope.child().defer(watch(seen, 'child', D1))
    }),
  )
  assert.equal(chain(error), 'S(D2←D1)')
  assert.deepEqual(seen, ['child: unknown', 'parent: failure(D1)'])
})

test('24: the code after the yield fails: that error; the outer ones see failure', async (t) => {
  const { app } = setUp(t)
  const seen: string[] = []
  const transaction = resource(async function* transaction() {
    yield 1
    await quiet()
    throw new Error('commit')
  })
  const connection = resource({
    acquire: () => 1,
    release: (_value, exit) => watch(seen, 'connection')(exit),
  })
  const error = await rejection(
    app.run(async (scope) => {
      await scope.get(connection)
      await scope.get(transaction)
    }),
  )
  assert.equal(chain(error), 'commit')
  assert.deepEqual(seen, ['connection: failure(commit)'])
})

test('25: a release fails after a bound stream was read: nothing can change that; the others see failure; onError is told', async (t) => {
  const { app, unthrown } = setUp(t)
  const seen: string[] = []
  const stream = await app.run((scope) => {
    three(seen, [D1])(scope)
    return scope.stream(
      (async function* () {
        yield 1
      })(),
    )
  })
  assert.deepEqual(await stream.next(), { done: false, value: 1 })
  assert.deepEqual(await stream.next(), { done: true, value: undefined })
  assert.deepEqual(seen, ['D1: success', 'D2: failure(D1)', 'D3: failure(D1)'])
  assert.deepEqual(taken(unthrown), ['D1'])
})

test('26: await using without complete: resolves if the disposers do; unknown; a transaction rolls back with a ScopeIncompleteError', async (t) => {
  const { app } = setUp(t)
  const seen: string[] = []
  const transaction = resource(async function* transaction() {
    try {
      yield 1
      seen.push('committed')
    } catch (error) {
      seen.push(error instanceof ScopeIncompleteError ? 'rolled back' : 'wrong')
      throw error
    }
  })
  {
    await using scope = app.child()
    scope.defer(watch(seen, 'D'))
    await scope.get(transaction)
  }
  assert.deepEqual(seen, ['rolled back', 'D: unknown'])
})

test('27: a generator without a yield, or with two: ResourceProtocolError; nothing registered, or a failing disposer whose return() was called', async (t) => {
  const { app } = setUp(t)
  const seen: string[] = []
  const none = resource(async function* none() {})
  const two = resource(async function* two() {
    try {
      yield 1
      yield 2
    } finally {
      seen.push('finally')
    }
  })
  await app.run(async (scope) => {
    assert.ok((await rejection(scope.get(none))) instanceof ResourceProtocolError)
    assert.deepEqual(scope.inspect().resources, [])
  })
  const error = await rejection(
    app.run(async (scope) => {
      scope.defer((exit) => seen.push(exit.status))
      await scope.get(two)
      throw B
    }),
  )
  // The failure is thrown at the first yield: there is no second one.
  assert.equal(error, B)
  const twice = await rejection(
    app.run(async (scope) => {
      scope.defer((exit) => seen.push(exit.status))
      await scope.get(two)
    }),
  )
  assert.ok(twice instanceof ResourceProtocolError)
  assert.deepEqual(seen, ['finally', 'failure', 'finally', 'failure'])
})

for (const [how, end, outcome] of [
  ['reaches its end', (stream: AsyncGenerator) => stream.next(), 'success'],
  ['fails', (stream: AsyncGenerator) => rejection(stream.next()), 'failure(B)'],
  [
    'is cancelled',
    async (stream: AsyncGenerator) => {
      await stream.next()
      await stream.return(undefined)
    },
    'aborted',
  ],
  [
    'is never started and cancelled',
    (stream: AsyncGenerator) => stream.return(undefined),
    'aborted',
  ],
] as const) {
  test(`28: a stream that ${how}: ${outcome}; the scope closes once`, async (t) => {
    const { app } = setUp(t)
    const seen: string[] = []
    const stream = await app.run((scope) => {
      scope.defer(watch(seen, 'D'))
      return scope.stream(
        (async function* () {
          if (how === 'fails') throw B
          if (how === 'is cancelled') yield 1
        })(),
      )
    })
    await end(stream)
    await stream.return(undefined)
    assert.equal(seen.length, 1)
    assert.ok(seen[0]?.startsWith(`D: ${outcome}`), seen[0])
  })
}
