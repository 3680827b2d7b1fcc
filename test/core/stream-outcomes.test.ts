/** A bound stream closes its scope: at its end, its error, its cancelling or an abort. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Readable } from 'node:stream'
import { DisposeTimeoutError } from 'unwind'
import { setUp, taken } from './support/app.ts'
import { chain, errorsOf } from './support/chain.ts'
import { untilAborted } from './support/aborting.ts'
import { isPending, quiet, rejection, within } from './support/promises.ts'
import { streaming, counting } from './support/streaming.ts'

// oxlint-disable-next-line require-yield -- it fails before it yields
async function* failing(): AsyncGenerator<number> {
  throw new Error('B')
}

test('at the end of the stream the scope closes with success, before the last next settles', async (t) => {
  const { scope, stream, tracker } = await streaming(t, counting)
  const numbers: number[] = []
  for await (const number of stream) {
    assert.equal(scope.state, 'open')
    numbers.push(number)
  }
  assert.deepEqual(numbers, [1, 2, 3])
  assert.equal(scope.state, 'closed')
  assert.deepEqual(tracker.events, ['+lease', 'source ended', '-lease'])
  assert.deepEqual(tracker.exits, ['lease: success'])
})

test('an error of the stream closes the scope with failure, before the consumer sees it', async (t) => {
  const failure = new Error('B')
  const { scope, stream, tracker } = await streaming(t, async function* () {
    yield 1
    throw failure
  })
  await stream.next()
  assert.equal(await rejection(stream.next()), failure)
  assert.equal(scope.state, 'closed')
  assert.equal(scope.signal.reason, failure)
  assert.deepEqual(tracker.exits, ['lease: failure(B)'])
})

test('an early cancel ends the source first, and closes the scope with aborted', async (t) => {
  const { scope, stream, tracker } = await streaming(t, counting)
  for await (const number of stream) {
    assert.equal(number, 1)
    break
  }
  assert.equal(scope.state, 'closed')
  assert.deepEqual(tracker.events, ['+lease', 'source ended', '-lease'])
  assert.match(tracker.exits[0] ?? '', /^lease: aborted\(.*"feed" was cancelled/)
})

test('a stream that is never started and then cancelled still closes the scope', async (t) => {
  const { scope, stream, tracker } = await streaming(t, counting)
  assert.deepEqual(await stream.return(), { done: true, value: undefined })
  assert.equal(scope.state, 'closed')
  assert.deepEqual(tracker.events, ['+lease', '-lease'])
  assert.match(tracker.exits[0] ?? '', /^lease: aborted\(/)
})

test('throw on the stream closes the scope with failure, and rejects with what was thrown', async (t) => {
  const failure = new Error('B')
  const { scope, stream, tracker } = await streaming(t, counting)
  await stream.next()
  assert.equal(await rejection(stream.throw(failure)), failure)
  assert.equal(scope.state, 'closed')
  assert.deepEqual(tracker.exits, ['lease: failure(B)'])
})

test('a stream can be disposed, which cancels it', async (t) => {
  const { scope, stream, tracker } = await streaming(t, counting)
  {
    await using held = stream
    await held.next()
  }
  assert.equal(scope.state, 'closed')
  assert.deepEqual(tracker.events, ['+lease', 'source ended', '-lease'])
})

test('a stream that ended, failed or was cancelled is done, however often it is asked', async (t) => {
  const done = { done: true, value: undefined }
  const { stream, tracker } = await streaming(t, counting)
  await stream.return()
  assert.deepEqual(await Promise.all([stream.next(), stream.return(), stream.next()]), [
    done,
    done,
    done,
  ])
  assert.deepEqual(tracker.exits.length, 1)
})

test('a cancel aborts the tasks of the scope, which it waits for', async (t) => {
  const { app } = setUp(t)
  const told: unknown[] = []
  const stream = await app.run((scope) => {
    void scope.fork((signal) => untilAborted(signal).catch((reason: unknown) => told.push(reason)))
    return scope.stream(Readable.from([1]))
  })
  await within(stream.return())
  assert.match(String(told), /^AbortError: The stream of the scope .* was cancelled/)
})

test('two who cancel at once both wait for the end of the scope', async (t) => {
  const { scope, stream } = await streaming(t, counting)
  await stream.next()
  await Promise.all([
    stream.return().then(() => assert.equal(scope.state, 'closed')),
    stream.return().then(() => assert.equal(scope.state, 'closed')),
  ])
})

test('an abort of the parked scope ends the waiting consumer with the reason, and the source', async (t) => {
  const reason = new Error('R')
  const { scope, stream, tracker } = await streaming(t, async function* (_fixture, own) {
    try {
      yield 1
      await new Promise<void>((resolve) => {
        own.signal.addEventListener('abort', () => resolve(), { once: true })
      })
    } finally {
      tracker.events.push('source ended')
    }
  })
  await stream.next()
  const waiting = stream.next()
  assert.equal(await isPending(waiting), true)
  scope.abort(reason)
  assert.equal(await rejection(waiting), reason)
  assert.deepEqual(tracker.exits, ['lease: aborted(R)'])
})

test('an abort of a parked scope that nobody reads closes it all the same', async (t) => {
  const { scope, tracker } = await streaming(t, counting)
  scope.abort(new Error('R'))
  await quiet()
  await quiet()
  assert.equal(scope.state, 'closed')
  assert.deepEqual(tracker.exits, ['lease: aborted(R)'])
})

test('a deadline ends a stream whose source never goes on, at the latest after the dispose timeout', async (t) => {
  const { app, tracker, unthrown } = setUp(t)
  const stream = await app.run({ timeout: 20, disposeTimeout: 20 }, async (scope) => {
    await scope.get(tracker.resource('lease'))
    return scope.stream(
      (async function* () {
        await new Promise(() => {})
        yield 1
      })(),
    )
  })
  const error = await rejection(stream.next())
  assert.equal((error as Error).name, 'TimeoutError')
  assert.deepEqual(tracker.held, [])
  const [report] = unthrown.splice(0)
  assert.ok(errorsOf(report?.error).some((late) => late instanceof DisposeTimeoutError))
})

test('a failing release after the end of the stream cannot change it, and is reported', async (t) => {
  const { app, unthrown } = setUp(t)
  const stream = await app.run((scope) => {
    scope.defer(() => Promise.reject(new Error('D')))
    return scope.stream(Readable.from([1]))
  })
  const numbers: unknown[] = []
  for await (const number of stream) numbers.push(number)
  assert.deepEqual(numbers, [1])
  assert.deepEqual(taken(unthrown), ['D'])
})

test('a failing release after the error of the stream is reported as a chain, and the consumer gets the error', async (t) => {
  const { app, unthrown } = setUp(t)
  const stream = await app.run((scope) => {
    scope.defer(() => Promise.reject(new Error('D')))
    return scope.stream(failing())
  })
  assert.equal(chain(await rejection(stream.next())), 'B')
  assert.deepEqual(taken(unthrown), ['S(D←B)'])
})

for (const how of ['at once', 'after a while']) {
  test(`where two blocks were open for one stream, a release of the inner one that fails ${how} is seen by the outer one`, async (t) => {
    const { app, tracker, unthrown } = setUp(t)
    const stream = await app.run(async (outer) => {
      await outer.get(tracker.resource('lease'))
      return await outer.run((inner) => {
        inner.defer(() => {
          if (how === 'at once') throw new Error('D')
          return quiet().then(() => Promise.reject(new Error('D')))
        })
        return inner.stream(Readable.from([1]))
      })
    })
    for await (const number of stream) assert.equal(number, 1)
    assert.deepEqual(tracker.exits, ['lease: failure(D)'])
    assert.deepEqual(taken(unthrown), ['D'])
  })
}

test('what fails with a stream is told once, where blocks were open for it alone in one another', async (t) => {
  const { app, tracker, unthrown } = setUp(t)
  const stream = await app.run(async (outer) => {
    await outer.get(tracker.resource('lease'))
    return await outer.run((inner) => {
      inner.defer(() => Promise.reject(new Error('D')))
      return inner.stream(failing())
    })
  })
  assert.equal(chain(await rejection(stream.next())), 'B')
  assert.deepEqual(tracker.exits, ['lease: failure(S(D←B))'])
  assert.deepEqual(taken(unthrown), ['S(D←B)'])
})

test('what a block fails with that was open for one stream is kept where another one fails later', async (t) => {
  const { app, tracker, unthrown } = setUp(t)
  let inner: AsyncGenerator<number> | undefined
  const stream = await app.run(async (outer) => {
    await outer.get(tracker.resource('lease'))
    await outer.run((block) => {
      block.defer(() => Promise.reject(new Error('D')))
      inner = block.stream(Readable.from([1]))
    })
    return outer.stream(failing())
  })
  assert.deepEqual(await inner?.next(), { done: false, value: 1 })
  assert.deepEqual(await inner?.next(), { done: true, value: undefined })
  assert.equal(chain(await rejection(stream.next())), 'B')
  assert.deepEqual(tracker.exits, ['lease: failure(S(B←D))'])
  assert.deepEqual(taken(unthrown), ['S(B←D)'])
})

test('nor is it lost there, where a task failed with it', async (t) => {
  const { app, unthrown } = setUp(t)
  const parked = Promise.withResolvers<void>()
  await app.run((outer) =>
    outer.run((inner) => {
      void inner.fork(() =>
        inner
          .stream(
            // oxlint-disable-next-line require-yield -- it fails before it yields
            (async function* (): AsyncGenerator<number> {
              await parked.promise
              throw new Error('B')
            })(),
          )
          .next(),
      )
    }),
  )
  parked.resolve()
  await quiet()
  assert.deepEqual(taken(unthrown), ['B'])
})
