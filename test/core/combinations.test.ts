/** Every combination of errors, one test a row: what run or close gives, what finalizers see, what else happens. Rows 1 to 16. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  DisposeTimeoutError,
  primaryError,
  resource,
  ScopeClosedError,
  type Resource,
} from 'unwind'
import { setUp, taken } from './support/app.ts'
import { chain } from './support/chain.ts'
import { isPending, quiet, rejection, within } from './support/promises.ts'
import { A, B, D1, D2, never, R, three, watch } from './support/combination.ts'

test('1: the body succeeds: its value; finalizers see success', async (t) => {
  const { app } = setUp(t)
  const seen: string[] = []
  const value = await app.run((scope) => {
    three(seen)(scope)
    return 'value'
  })
  assert.equal(value, 'value')
  assert.deepEqual(seen, ['D1: success', 'D2: success', 'D3: success'])
})

test('2: the body throws B: B itself; failure(B); the signal is aborted with B, tasks are aborted and awaited', async (t) => {
  const { app } = setUp(t)
  const seen: string[] = []
  const running = app.run((scope) => {
    scope.defer(watch(seen, 'D'))
    void scope.fork(async (signal) => {
      await new Promise<void>((resolve) => {
        signal.addEventListener('abort', () => resolve())
      })
      seen.push(`task: ${chain(signal.reason)}, ${chain(scope.signal.reason)}`)
    })
    throw B
  })
  assert.equal(await rejection(running), B)
  assert.deepEqual(seen, ['task: B, B', 'D: failure(B)'])
})

test('3: an acquisition fails half way: A; earlier ones see failure(A); nothing is registered or cached, and those who wait get A', async (t) => {
  const { app, tracker } = setUp(t)
  let tries = 0
  const broken = resource({
    acquire: async () => {
      tries += 1
      await quiet()
      throw A
    },
  })
  const running = app.run(async (scope) => {
    await scope.get(tracker.resource('earlier'))
    const both = await Promise.allSettled([scope.get(broken), scope.get(broken)])
    assert.deepEqual(
      both.map((one) => one.status === 'rejected' && one.reason),
      [A, A],
    )
    await scope.get(broken)
  })
  assert.equal(await rejection(running), A)
  assert.equal(tries, 2)
  assert.deepEqual(tracker.exits, ['earlier: failure(A)'])
})

test('4: the body succeeds, D1 throws: D1, not wrapped; the others see failure(D1)', async (t) => {
  const { app } = setUp(t)
  const seen: string[] = []
  assert.equal(await rejection(app.run(three(seen, [D1]))), D1)
  assert.deepEqual(seen, ['D1: success', 'D2: failure(D1)', 'D3: failure(D1)'])
})

test('5: B and D1: S(D1←B), whose primary error is B; the others see failure(S)', async (t) => {
  const { app } = setUp(t)
  const seen: string[] = []
  const error = await rejection(
    app.run((scope) => {
      three(seen, [D1])(scope)
      throw B
    }),
  )
  assert.equal(chain(error), 'S(D1←B)')
  assert.equal(primaryError(error), B)
  assert.deepEqual(seen, ['D1: failure(B)', 'D2: failure(S(D1←B))', 'D3: failure(S(D1←B))'])
})

test('6: B, D1 and D2: S(D2←S(D1←B)); each sees the completion so far, and all of them ran', async (t) => {
  const { app } = setUp(t)
  const seen: string[] = []
  const error = await rejection(
    app.run((scope) => {
      three(seen, [D1, D2])(scope)
      throw B
    }),
  )
  assert.equal(chain(error), 'S(D2←S(D1←B))')
  assert.deepEqual(seen, ['D1: failure(B)', 'D2: failure(S(D1←B))', 'D3: failure(S(D2←S(D1←B)))'])
})

type Answer = (error: unknown) => void
/** A generator resource that answers what is thrown at its yield. */
function answering(answer: Answer): Resource<number> {
  return resource(async function* answering() {
    try {
      yield 1
    } catch (error) {
      answer(error)
    }
  })
}

const E = new Error('E', { cause: B })
const rows: [string, Answer, unknown, string][] = [
  [
    '7: B, which a generator rethrows: B; failure(B)',
    (error) => {
      throw error
    },
    B,
    'failure(B)',
  ],
  [
    '8: B, for which a generator throws E with the cause B: E, a translation; the others see failure(E)',
    () => {
      throw E
    },
    E,
    'failure(E)',
  ],
  ['9: B, which a generator swallows: B; failure(B)', () => {}, B, 'failure(B)'],
]

for (const [title, answer, result, outcome] of rows) {
  test(title, async (t) => {
    const { app } = setUp(t)
    const seen: string[] = []
    const running = app.run(async (scope) => {
      scope.defer(watch(seen, 'outer'))
      await scope.get(answering(answer))
      throw B
    })
    assert.equal(await rejection(running), result)
    assert.deepEqual(seen, [`outer: ${outcome}`])
  })
}

test('10: the body succeeds, D1 is not critical and fails: the value; the others see success; onError is told D1', async (t) => {
  const { app, unthrown } = setUp(t)
  const seen: string[] = []
  const file = resource({ critical: false, acquire: () => 1, release: () => Promise.reject(D1) })
  const value = await app.run(async (scope) => {
    scope.defer(watch(seen, 'D2'))
    await scope.get(file)
    return 'value'
  })
  assert.equal(value, 'value')
  assert.deepEqual(seen, ['D2: success'])
  assert.deepEqual(taken(unthrown), ['D1'])
})

test('11: a disposer hangs: DisposeTimeoutError, combined as any other; its signal aborts, destroy runs, what settles late is reported as late', async (t) => {
  const { app, unthrown } = setUp(t)
  const seen: string[] = []
  const late = Promise.withResolvers<void>()
  const socket = resource({
    name: 'socket',
    disposeTimeout: 10,
    acquire: () => 'value',
    release: (_value, exit) => {
      exit.signal.addEventListener('abort', () => seen.push(`signal: ${exit.signal.reason.code}`))
      return late.promise
    },
    destroy: (value, why) => void seen.push(`destroy ${value}: ${why.code}`),
  })
  const error = await rejection(
    app.run(async (scope) => {
      scope.defer((exit) => seen.push(exit.status))
      await scope.get(socket)
      throw B
    }),
  )
  assert.match(chain(error), /^S\(Releasing "socket".*←B\)$/)
  assert.deepEqual(seen, [
    'signal: ERR_DISPOSE_TIMEOUT',
    'destroy value: ERR_DISPOSE_TIMEOUT',
    'failure',
  ])
  late.reject(new Error('late'))
  await quiet()
  const [report] = unthrown.splice(0)
  assert.deepEqual([chain(report?.error), report?.resource, report?.late], ['late', 'socket', true])
})

test('12: destroy throws too: S(destroy←timeout)', async (t) => {
  const { app } = setUp(t)
  const socket = resource({
    name: 'socket',
    disposeTimeout: 5,
    acquire: () => 1,
    release: () => never,
    destroy: () => {
      throw new Error('destroy')
    },
  })
  const error = await rejection(app.run((scope) => scope.get(socket)))
  assert.match(chain(error), /^S\(destroy←Releasing "socket"/)
  assert.ok(primaryError(error) instanceof DisposeTimeoutError)
})

test('13: an abort before the body settles, which then rejects with E: E; aborted(reason, E)', async (t) => {
  const { app } = setUp(t)
  const seen: string[] = []
  const running = app.run(async (scope) => {
    scope.defer(watch(seen, 'D'))
    scope.abort(R)
    throw B
  })
  assert.equal(await rejection(running), B)
  assert.deepEqual(seen, ['D: aborted(R, B)'])
})

test('14: an abort, and the body fulfils anyway: the value; success', async (t) => {
  const { app } = setUp(t)
  const seen: string[] = []
  const value = await app.run((scope) => {
    scope.defer(watch(seen, 'D'))
    scope.abort(R)
    return 'value'
  })
  assert.equal(value, 'value')
  assert.deepEqual(seen, ['D: success'])
})

test('15: an abort during an acquisition: get rejects with the reason at once; a late value is released as aborted; close waits, no longer than acquireTimeout', async (t) => {
  const { app, tracker } = setUp(t)
  const gate = Promise.withResolvers<void>()
  const scope = app.child()
  const getting = scope.get(tracker.resource('lease', { onAcquire: () => gate.promise }))
  scope.abort(R)
  assert.equal(await rejection(getting), R)
  const closing = scope.close()
  assert.equal(await isPending(closing), true)
  gate.resolve()
  await closing
  assert.deepEqual(tracker.exits, ['lease: aborted(R)'])
  const bounded = app.child()
  const stuck = resource({ acquireTimeout: 10, acquire: () => never })
  const waiting = bounded.get(stuck)
  bounded.abort(R)
  assert.equal(await rejection(waiting), R)
  await within(bounded.close())
})

test("16: a scope is closed during an acquisition: get rejects with ScopeClosedError; a late value is released with the scope's outcome; close waits", async (t) => {
  const { app, tracker } = setUp(t)
  const gate = Promise.withResolvers<void>()
  const scope = app.child()
  const getting = scope.get(tracker.resource('lease', { onAcquire: () => gate.promise }))
  scope.complete()
  const closing = scope.close()
  assert.ok((await rejection(getting)) instanceof ScopeClosedError)
  assert.equal(await isPending(closing), true)
  gate.resolve()
  await closing
  assert.deepEqual(tracker.exits, ['lease: success'])
})
