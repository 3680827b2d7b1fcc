/** A bound stream keeps its scope open, and closes it once. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Readable } from 'node:stream'
import { currentScope, DisposedError, ScopeClosedError, tryCurrentScope } from 'unwind'
import { setUp } from './support/app.ts'
import { quiet, rejection, thrown, within } from './support/promises.ts'
import { streaming, counting } from './support/streaming.ts'

test('run resolves with the bound stream once the body settled, and the scope stays open for it', async (t) => {
  const { scope, stream, tracker } = await streaming(t, counting)
  await quiet()
  assert.equal(scope.state, 'open')
  assert.deepEqual(tracker.held, ['lease'])
  assert.deepEqual(await stream.next(), { done: false, value: 1 })
  await stream.return()
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

test('stream refuses what cannot be iterated, and a scope that closes or has closed', async (t) => {
  const { app, tracker } = setUp(t)
  await app.run((scope) => {
    for (const wrong of [undefined, 1, [1], {}]) {
      assert.throws(() => scope.stream(wrong as never), /stream\(\).*async iterable/)
    }
  })
  const scope = app.child()
  const refusals: unknown[] = []
  const refused = (): unknown => refusals.push(thrown(() => scope.stream(Readable.from([]))))
  scope.defer(refused)
  await scope.close()
  refused()
  assert.equal(refusals.length, 2)
  for (const error of refusals) assert.ok(error instanceof ScopeClosedError)
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
