/** Who reads a bound stream may be what its scope waits for, and a scope that closes for another reason closes once. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { App, Scope } from 'unwind'
import { setUp } from './support/app.ts'
import { isPending, quiet, rejection, within } from './support/promises.ts'
import { counting, streaming } from './support/streaming.ts'

type Numbers = AsyncGenerator<number, void, undefined>
type Consume = (stream: Numbers) => Promise<unknown>

const consumers: Record<string, Consume> = {
  'reads it to its end': async (stream) => {
    for await (const number of stream) assert.ok(number > 0)
  },
  'cancels it': async (stream) => {
    await stream.next()
    await stream.return()
  },
  'sees it fail': async (stream) => {
    await stream.next()
    await rejection(stream.throw(new Error('B')))
  },
}

const places: Record<string, (scope: Scope, app: App, consume: Consume) => unknown> = {
  'a task': (scope, _app, consume) => scope.fork(() => consume(scope.stream(numbers()))),
  'a task of a child': (scope, _app, consume) =>
    scope.child().fork(() => consume(scope.stream(numbers()))),
  'a block in a task': (scope, _app, consume) =>
    scope.fork(() => scope.run(() => consume(scope.stream(numbers())))),
  'a task that bound it to a child': (scope, _app, consume) =>
    scope.fork(() => consume(scope.child().stream(numbers()))),
  'a task that was given it by a block': (scope, _app, consume) =>
    scope.fork(async () => consume(await scope.run((block) => block.stream(numbers())))),
  'a job beside the scope': (scope, app, consume) =>
    app.detach(() => consume(scope.stream(numbers()))),
}

async function* numbers(): Numbers {
  for (const number of [1, 2]) {
    await quiet()
    yield number
  }
}

for (const [place, start] of Object.entries(places)) {
  for (const [act, consume] of Object.entries(consumers)) {
    test(`${place} that ${act} after the body has settled holds up nothing`, async (t) => {
      const { app, tracker } = setUp(t)
      let opened: Scope | undefined
      let consumed: unknown
      await app.run(async (scope) => {
        opened = scope
        await scope.get(tracker.resource('lease'))
        consumed = start(scope, app, consume)
      })
      assert.equal(opened?.state, 'open', 'the stream keeps it open')
      await within(Promise.resolve(consumed))
      await quiet()
      assert.equal(opened.state, 'closed')
      assert.deepEqual(tracker.held, [])
    })
  }
}

test('a block that answers a task with a stream has closed when the task is told of the end', async (t) => {
  const { app, tracker } = setUp(t)
  await app.run((scope) => {
    void scope.fork(async () => {
      const stream = await scope.run(async (block) => {
        await block.get(tracker.resource('lease', { lifetime: 'scope' }))
        return block.stream(numbers())
      })
      await consumers['reads it to its end']?.(stream)
      assert.deepEqual(tracker.events, ['+lease', '-lease'])
    })
  })
  await quiet()
})

test('a finalizer that waits for the stream of its scope is not waited for in vain', async (t) => {
  const { scope, stream, tracker } = await streaming(t, counting)
  scope.defer(async () => {
    await stream.return()
    assert.deepEqual(await stream.next(), { done: true, value: undefined })
  })
  await within(stream.return())
  assert.equal(scope.state, 'closed')
  assert.equal(tracker.exits.length, 1)
})

test('a listener that cancels the stream because the scope was aborted ends it once', async (t) => {
  const { app } = setUp(t)
  let opened: Scope | undefined
  const [inner, outer] = await app.run(async (scope) => {
    opened = scope
    const other = scope.stream(numbers())
    const stream = await scope.run((block) => {
      const bound = block.stream(numbers())
      block.signal.addEventListener('abort', () => void bound.return())
      return bound
    })
    return [stream, other]
  })
  await inner.return()
  assert.equal(opened?.state, 'open', 'the other stream is still read')
  await outer.return()
  assert.equal(opened.state, 'closed')
})

test('a stream that is cancelled while its scope closes waits for that, and changes nothing', async (t) => {
  const { scope, stream, tracker } = await streaming(t, counting)
  const releases = Promise.withResolvers<void>()
  scope.defer(async (exit) => {
    tracker.events.push(`> ${exit.status}`)
    await releases.promise
    tracker.events.push('<')
  })
  const closing = scope.close()
  await quiet()
  const cancelled = stream.return()
  assert.equal(await isPending(cancelled), true)
  assert.deepEqual(tracker.events, ['+lease', '> success'])
  releases.resolve()
  await within(Promise.all([closing, cancelled]))
  assert.deepEqual(tracker.events, ['+lease', '> success', '<', '-lease'])
  assert.deepEqual(tracker.exits, ['lease: success'])
})

for (const [how, end] of Object.entries({
  cancelled: (stream: Numbers) => stream.return(),
  'thrown into': (stream: Numbers) => rejection(stream.throw(new Error('B'))),
})) {
  test(`a stream that reads from another one of its scope is ${how} with that, and then the scope has closed`, async (t) => {
    const { app, tracker } = setUp(t)
    const { outer, scope } = await app.run(async (opened) => {
      await opened.get(tracker.resource('lease'))
      return { outer: opened.stream(doubled(opened.stream(numbers()))), scope: opened }
    })
    await outer.next()
    await within(end(outer))
    assert.equal(scope.state, 'closed')
    assert.deepEqual(tracker.events, ['+lease', '-lease'])
  })
}

async function* doubled(stream: Numbers): Numbers {
  for await (const number of stream) yield number * 2
}

for (const [who, read] of Object.entries({
  'somebody else': (_scope: Scope, consume: () => Promise<unknown>) => consume(),
  'a task of it': (scope: Scope, consume: () => Promise<unknown>) => scope.fork(consume),
})) {
  test(`a source that closes its scope does not wait for itself where ${who} reads it`, async (t) => {
    const { app, tracker } = setUp(t)
    let consumed: unknown
    await app.run({ disposeTimeout: 60_000 }, async (scope) => {
      await scope.get(tracker.resource('lease'))
      const stream = scope.stream(closing(scope))
      consumed = read(scope, async () => {
        for await (const number of stream) assert.equal(number, 1)
      })
    })
    await within(Promise.resolve(consumed))
    await quiet()
    assert.deepEqual(tracker.exits, ['lease: success'])
  })
}

async function* closing(scope: Scope): Numbers {
  await quiet()
  yield 1
  await scope.close()
}
