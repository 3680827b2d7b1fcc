/** A bound stream keeps its scope open: to its end, its error, its cancelling or an abort; and closes it once. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { Readable } from 'node:stream'
import {
  currentScope,
  DisposedError,
  DisposeTimeoutError,
  ScopeClosedError,
  tryCurrentScope,
  type Scope,
} from 'unwind'
import { setUp, taken, type Fixture } from './support/app.ts'
import { chain, errorsOf } from './support/chain.ts'
import { isPending, quiet, rejection, thrown, within } from './support/promises.ts'

interface Streaming extends Fixture {
  readonly scope: Scope
  readonly stream: AsyncGenerator<number, void, undefined>
}

/** A request that answers with the numbers of `source`, and has a lease as long. */
async function streaming(
  t: TestContext,
  source: (fixture: Fixture, scope: Scope) => AsyncIterable<number>,
): Promise<Streaming> {
  const fixture = setUp(t)
  const { app, tracker } = fixture
  let opened: Scope | undefined
  const stream = await app.run({ name: 'feed' }, async (scope) => {
    opened = scope
    await scope.get(tracker.resource('lease'))
    return scope.stream(source(fixture, scope))
  })
  assert.ok(opened !== undefined)
  return { ...fixture, scope: opened, stream }
}

/** Three numbers, each of which uses the lease. */
function counting({ tracker }: Fixture): AsyncIterable<number> {
  return (async function* () {
    try {
      for (const number of [1, 2, 3]) {
        await quiet()
        tracker.use(tracker.find('lease')[0])
        yield number
      }
    } finally {
      tracker.events.push('source ended')
    }
  })()
}

test('run resolves with the bound stream once the body settled, and the scope stays open for it', async (t) => {
  const { scope, stream, tracker } = await streaming(t, counting)
  await quiet()
  assert.equal(scope.state, 'open')
  assert.deepEqual(tracker.held, ['lease'])
  assert.deepEqual(await stream.next(), { done: false, value: 1 })
  await stream.return()
})

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
    return scope.stream(
      // oxlint-disable-next-line require-yield -- it fails before it yields
      (async function* (): AsyncGenerator<number> {
        throw new Error('B')
      })(),
    )
  })
  assert.equal(chain(await rejection(stream.next())), 'B')
  assert.deepEqual(taken(unthrown), ['S(D←B)'])
})

test('a body that fails after it bound a stream fails, and its stream is no longer to be read', async (t) => {
  const { app, tracker } = setUp(t)
  let stream: AsyncGenerator<number> | undefined
  const failure = new Error('B')
  const running = app.run(async (scope) => {
    await scope.get(tracker.resource('lease'))
    stream = scope.stream(Readable.from([1, 2]))
    throw failure
  })
  assert.equal(await rejection(running), failure)
  assert.deepEqual(tracker.exits, ['lease: failure(B)'])
  const error = await rejection((stream as AsyncGenerator<number>).next())
  assert.ok(error instanceof DisposedError)
})

test('a stream that was read to its end within the body does not keep the scope', async (t) => {
  const { app, tracker } = setUp(t)
  const sum = await app.run(async (scope) => {
    await scope.get(tracker.resource('lease'))
    let total = 0
    for await (const number of scope.stream(Readable.from([1, 2]))) total += Number(number)
    return total
  })
  assert.equal(sum, 3)
  assert.deepEqual(tracker.exits, ['lease: success'])
})

test('with two streams the scope closes after the last one, and a failure counts', async (t) => {
  const { app, tracker } = setUp(t)
  const [first, second] = await app.run(async (scope) => {
    await scope.get(tracker.resource('lease'))
    return [scope.stream(Readable.from([1])), scope.stream(Readable.from([2]))] as const
  })
  await first.return()
  assert.deepEqual(tracker.held, ['lease'])
  for await (const _number of second);
  assert.deepEqual(tracker.held, [])
})

test('a stream bound in a nested block keeps the request around it open too', async (t) => {
  const { app, tracker } = setUp(t)
  const lease = tracker.resource('lease')
  const stream = await app.run(async (request) => {
    await request.get(lease)
    return await request.run((block) => block.stream(counting({ app, tracker, unthrown: [] })))
  })
  assert.deepEqual(tracker.held, ['lease'])
  const numbers: number[] = []
  for await (const number of stream) numbers.push(number)
  assert.deepEqual(numbers, [1, 2, 3])
  assert.deepEqual(tracker.held, [])
})

test('the source runs in its scope, whoever reads', async (t) => {
  const seen: unknown[] = []
  const { scope, stream, app } = await streaming(t, async function* () {
    try {
      seen.push(currentScope())
      yield 1
      seen.push(currentScope())
    } finally {
      seen.push(currentScope())
    }
  })
  await app.run({ name: 'reader' }, async (reader) => {
    await stream.next()
    assert.equal(currentScope(), reader)
    await stream.next()
  })
  assert.equal(tryCurrentScope(), undefined)
  assert.deepEqual(seen, [scope, scope, scope])
})

test('nothing is pulled before somebody reads, and one piece for each next', async (t) => {
  let pulled = 0
  const { stream } = await streaming(t, async function* () {
    for (;;) yield (pulled += 1)
  })
  await quiet()
  assert.equal(pulled, 0)
  await stream.next()
  await quiet()
  assert.equal(pulled, 1)
  await stream.return()
})

test('an unbound stream that uses what the request held gets no foreign connection, but an error', async (t) => {
  const { app, tracker } = setUp(t)
  const lease = tracker.resource('lease')
  const unbound = await app.run(async (scope) => {
    await scope.get(lease)
    return (async function* () {
      yield await scope.get(lease)
    })()
  })
  assert.ok((await rejection(unbound.next())) instanceof ScopeClosedError)
})

test('the source may be any async iterable, without return and throw', async (t) => {
  const { app, tracker } = setUp(t)
  let count = 0
  const source = {
    [Symbol.asyncIterator]: () => ({
      next: async () => ({ done: (count += 1) > 2, value: count }),
    }),
  } as AsyncIterable<number>
  const stream = await app.run(async (scope) => {
    await scope.get(tracker.resource('lease'))
    return scope.stream(source)
  })
  await stream.next()
  await stream.return()
  assert.deepEqual(tracker.held, [])
})

test('a source that fails to be ended is reported, and the scope closes', async (t) => {
  const { app, tracker, unthrown } = setUp(t)
  const stream = await app.run(async (scope) => {
    await scope.get(tracker.resource('lease'))
    return scope.stream(
      (async function* () {
        try {
          yield 1
        } finally {
          await Promise.reject(new Error('D'))
        }
      })(),
    )
  })
  await stream.next()
  await within(stream.return())
  assert.deepEqual(tracker.held, [])
  assert.equal(unthrown.length, 1)
  unthrown.splice(0)
})

test('stream refuses what cannot be iterated, and a closed scope', async (t) => {
  const { app, tracker } = setUp(t)
  await app.run((scope) => {
    for (const wrong of [undefined, 1, [1], {}]) {
      assert.throws(() => scope.stream(wrong as never), /stream\(\).*async iterable/)
    }
  })
  const scope = app.child()
  await scope.close()
  assert.ok(thrown(() => scope.stream(Readable.from([]))) instanceof ScopeClosedError)
  assert.deepEqual(tracker.held, [])
})

test('a stream bound by an explicit scope keeps nobody waiting: its close ends it', async (t) => {
  const { app, tracker } = setUp(t)
  const scope = app.child()
  const held = await scope.get(tracker.resource('lease'))
  const stream = scope.stream(counting({ app, tracker, unthrown: [] }))
  await stream.next()
  scope.complete()
  await scope.close()
  assert.deepEqual(tracker.events, ['+lease', 'source ended', '-lease'])
  assert.equal(tracker.held.includes(held.name), false)
  assert.ok((await rejection(stream.next())) instanceof DisposedError)
})
