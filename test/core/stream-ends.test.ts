/** However a bound stream ends, its consumer and its scope learn of the same end. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DisposedError, ScopeClosedError, type Scope } from 'unwind'
import { setUp, taken } from './support/app.ts'
import { counting, streaming } from './support/streaming.ts'
import { isPending, quiet, rejection, within } from './support/promises.ts'

async function* oneTwoThree(): AsyncGenerator<number> {
  yield* [1, 2, 3]
}

/** A generator that fails before its first value. */
async function* failing(error: unknown): AsyncGenerator<number> {
  throw error
}

test('a stream that is cut off between two reads fails with the reason, and does not look finished', async (t) => {
  const { scope, stream, tracker } = await streaming(t, counting)
  const reason = new Error('enough')
  assert.equal((await stream.next()).value, 1)
  scope.abort(reason)
  assert.equal(await rejection(within(stream.next())), reason)
  assert.deepEqual(tracker.exits, ['lease: aborted(enough)'])
  assert.deepEqual(await stream.next(), { done: true, value: undefined })
})

test('so does one that was not read at all, whatever ended it', async (t) => {
  for (const end of ['close', 'shutdown', 'timeout'] as const) {
    const { app } = setUp(t)
    const timeout = end === 'timeout' ? { timeout: 1 } : {}
    const stream = await app.run(timeout, (scope) => {
      const aborted = Promise.withResolvers<void>()
      scope.signal.addEventListener('abort', () => aborted.resolve())
      return { rows: scope.stream(oneTwoThree()), aborted: aborted.promise }
    })
    if (end === 'close') await app.close()
    if (end === 'shutdown') await app.shutdown({ grace: 0 })
    await within(stream.aborted)
    const error = await rejection(within(stream.rows.next()))
    assert.match(String(error), end === 'timeout' ? /TimeoutError/ : /ShutdownError/)
  }
})

test('a consumer that stops reading what was cut off hears nothing of it', async (t) => {
  const { app, stream } = await streaming(t, counting)
  await app.shutdown({ grace: 0 })
  assert.deepEqual(await stream.return(), { done: true, value: undefined })
})

test('an abort in any turn after the source has answered is not lost', async (t) => {
  const reason = new Error('enough')
  for (let turns = 0; turns < 8; turns += 1) {
    const gate = Promise.withResolvers<IteratorResult<number, undefined>>()
    const source = { [Symbol.asyncIterator]: () => ({ next: () => gate.promise }) }
    // oxlint-disable no-await-in-loop -- so many turns later
    const { scope, stream } = await streaming(t, () => source)
    const reading = stream.next()
    gate.resolve({ done: false, value: 1 })
    for (let turn = 0; turn < turns; turn += 1) await undefined
    scope.abort(reason)
    const read = await reading.then(() => stream.next()).catch((error: unknown) => error)
    assert.equal(read, reason, `${turns} turns later`)
    // oxlint-enable no-await-in-loop
  }
})

test('the source of a stream that is cut off while it is read is ended all the same', async (t) => {
  const gate = Promise.withResolvers<void>()
  const { scope, stream, tracker } = await streaming(t, async function* ({ tracker: { events } }) {
    try {
      await gate.promise
      yield* [1, 2]
    } finally {
      events.push('source ended')
    }
  })
  const reason = new Error('enough')
  const reading = stream.next()
  // Comes before the end of the source.
  scope.defer(() => gate.promise)
  scope.abort(reason)
  await quiet()
  gate.resolve()
  assert.equal(await rejection(reading), reason)
  assert.deepEqual(tracker.events, ['+lease', 'source ended', '-lease'])
})

test('what a source fails with after its consumer was told of an abort is reported, unless it says the same', async (t) => {
  const reason = new Error('enough')
  for (const error of [new Error('late'), reason]) {
    const gate = Promise.withResolvers<IteratorResult<number, undefined>>()
    const source = { [Symbol.asyncIterator]: () => ({ next: () => gate.promise }) }
    // oxlint-disable no-await-in-loop -- one after the other
    const { scope, stream, unthrown } = await streaming(t, () => source)
    const reading = rejection(stream.next())
    scope.abort(reason)
    assert.equal(await reading, reason)
    gate.reject(error)
    await quiet()
    assert.deepEqual(taken(unthrown), error === reason ? [] : ['late'])
    // oxlint-enable no-await-in-loop
  }
})

test('an abort ends the waiting of all who read at once', async (t) => {
  const gate = Promise.withResolvers<void>()
  const reason = new Error('enough')
  const { scope, stream } = await streaming(t, async function* () {
    await gate.promise
    yield 1
  })
  const readers = [stream.next(), stream.next()]
  scope.abort(reason)
  gate.resolve()
  for (const reader of readers) assert.equal(await rejection(within(reader)), reason)
})

test('a task that fails while a stream keeps its scope open makes it a failure', async (t) => {
  const failure = new Error('T')
  const gate = Promise.withResolvers<void>()
  const { stream, tracker, unthrown } = await streaming(t, (fixture, scope) => {
    void scope.fork(async () => {
      await gate.promise
      throw failure
    })
    return counting(fixture)
  })
  assert.equal((await stream.next()).value, 1)
  gate.resolve()
  const error = await rejection(
    (async () => {
      for await (const _number of stream);
    })(),
  )
  assert.equal(error, failure)
  assert.deepEqual(tracker.exits, ['lease: failure(T)'])
  assert.deepEqual(taken(unthrown), ['T'])
})

test('fail() while a stream keeps the scope open makes it a failure, which its consumer is told', async (t) => {
  const { scope, stream, tracker } = await streaming(t, counting)
  const failure = new Error('F')
  scope.fail(failure)
  assert.equal(await rejection(within(stream.next())), failure)
  assert.deepEqual(tracker.exits, ['lease: failure(F)'])
})

test('of several streams each counts: one that failed or was cancelled is not made good by the last', async (t) => {
  const failure = new Error('B')
  const ends: [string, (stream: AsyncGenerator<number>) => Promise<unknown>][] = [
    ['lease: failure(B)', (stream) => stream.throw(failure)],
    [
      'lease: aborted(The stream of the scope "request" was cancelled.)',
      (stream) => stream.return(0),
    ],
  ]
  for (const [exit, end] of ends) {
    const { app, tracker } = setUp(t)
    const [first, second] = await app.run(async (scope) => {
      await scope.get(tracker.resource('lease'))
      return [scope.stream(oneTwoThree()), scope.stream(oneTwoThree())] as const
    })
    await end(first).catch(() => {})
    assert.deepEqual(tracker.held, ['lease'])
    const numbers: number[] = []
    for await (const number of second) numbers.push(number)
    assert.deepEqual(numbers, [1, 2, 3])
    assert.deepEqual(tracker.exits, [exit])
  }
})

test('a failure stays one when another stream is cancelled after it', async (t) => {
  const { app, tracker } = setUp(t)
  const failure = new Error('B')
  const [first, second] = await app.run(async (scope) => {
    await scope.get(tracker.resource('lease'))
    return [scope.stream(failing(failure)), scope.stream(oneTwoThree())] as const
  })
  assert.equal(await rejection(first.next()), failure)
  await second.return()
  assert.deepEqual(tracker.exits, ['lease: failure(B)'])
})

test('who reads on without waiting for the end is told of it when the scope has closed', async (t) => {
  const { app, tracker } = setUp(t)
  const gate = Promise.withResolvers<void>()
  const stream = await app.run((scope) => {
    scope.defer(() => gate.promise)
    scope.use(tracker.disposable('lease'))
    return scope.stream(oneTwoThree())
  })
  const ended = stream.return()
  const later = stream.next()
  assert.equal(await isPending(later), true)
  gate.resolve()
  assert.deepEqual(await within(later), { done: true, value: undefined })
  assert.deepEqual(tracker.events, ['+lease', '-lease'])
  await ended
})

test('a stream that was cancelled is over, though its source still ends when its scope is aborted', async (t) => {
  const { app } = setUp(t)
  const gate = Promise.withResolvers<void>()
  async function* slowToEnd(): AsyncGenerator<number> {
    try {
      yield 1
    } finally {
      await gate.promise
    }
  }
  let opened: Scope | undefined
  const [stream] = await app.run((scope) => {
    opened = scope
    return [scope.stream(slowToEnd()), scope.stream(oneTwoThree())] as const
  })
  await stream.next()
  const cancelled = stream.return()
  opened?.abort(new Error('enough'))
  gate.resolve()
  await within(cancelled)
  assert.deepEqual(await within(stream.next()), { done: true, value: undefined })
})

test('where a body still runs, an abort leaves its stream to it, also beside one that keeps a scope open', async (t) => {
  const { app } = setUp(t)
  const read = Promise.withResolvers<unknown>()
  const stream = await app.run((outer) => {
    void outer.fork(async () => {
      await quiet()
      await outer.run(async (inner) => {
        const own = inner.stream(oneTwoThree())
        inner.abort(new Error('enough'))
        read.resolve(await own.next())
      })
    })
    return outer.stream(oneTwoThree())
  })
  assert.deepEqual(await within(read.promise), { done: false, value: 1 })
  await stream.return()
})

test('what is read after its scope was closed says so, with the scope in its cause', async (t) => {
  const { app } = setUp(t)
  const scope = app.child({ name: 'export' })
  const stream = scope.stream(oneTwoThree())
  await stream.next()
  await scope.close()
  const error = await rejection(stream.next())
  assert.ok(error instanceof DisposedError)
  assert.ok(error.cause instanceof ScopeClosedError)
  assert.match(error.cause.message, /export/)
})

test('a scope that closes while a block in it gives out a stream cuts that off, and does not wait for who reads it', async (t) => {
  const { app } = setUp(t)
  const streams: AsyncGenerator<number>[] = []
  await within(
    app.run(async (request) => {
      const block = request.run(async (inner) => {
        streams.push(inner.stream(oneTwoThree()))
        await quiet()
      })
      await Promise.all([block, request.close()])
    }),
  )
  for (const stream of streams) assert.ok((await rejection(stream.next())) instanceof DisposedError)
  assert.equal(streams.length, 1)
})

for (const [which, end] of [
  ['never ends', (): Promise<never> => new Promise(() => {})],
  ['ends without a word', async () => ({ done: true, value: undefined })],
] as const) {
  test(`whoever waits for a stream whose source ${which} is told when its scope has closed`, async (t) => {
    const { app } = setUp(t, { disposeTimeout: 10 })
    const iterator = { next: () => new Promise<never>(() => {}), return: end }
    const scope = app.child()
    const waiting = scope.stream({ [Symbol.asyncIterator]: () => iterator }).next()
    const told = rejection(waiting)
    const closed = await Promise.allSettled([scope.close()])
    assert.equal(closed[0].status, which === 'never ends' ? 'rejected' : 'fulfilled')
    assert.ok((await told) instanceof DisposedError)
  })
}
