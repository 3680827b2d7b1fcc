/** A bound stream that is over leaves nothing in a scope that goes on: an app or a connection lives for days. */
import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { test } from 'node:test'
import type { App, Scope } from 'unwind'
import { untilAborted } from './support/aborting.ts'
import { setUp, taken, type Fixture } from './support/app.ts'
import { listen, open } from './support/channels.ts'
import { quiet, rejection, within } from './support/promises.ts'
import { counting } from './support/streaming.ts'

const B = new Error('B')
const D = new Error('D')

type Numbers = AsyncGenerator<number, void, undefined>

const ends: Record<string, (stream: Numbers) => Promise<unknown>> = {
  'was read to its end': async (stream) => {
    for await (const number of stream) assert.ok(number > 0)
  },
  'was left early': async (stream) => {
    for await (const number of stream) if (number > 0) break
  },
  'was never started and cancelled': (stream) => stream.return(),
  'was told of an error': async (stream) => {
    await stream.next()
    assert.equal(await rejection(stream.throw(B)), B)
  },
  'was disposed': async (stream) => {
    await stream.next()
    await stream[Symbol.asyncDispose]()
  },
}

for (const [how, end] of Object.entries(ends)) {
  test(`a stream that ${how} leaves neither an entry nor a listener in its scope`, async (t) => {
    const fixture = setUp(t)
    await inRun(fixture, async (scope) => {
      const stream = scope.stream(lasting(fixture))
      assert.deepEqual(leftIn(scope), [1, 1])
      await end(stream)
      assert.deepEqual(leftIn(scope), [0, 0])
    })
  })

  test(`an explicit scope goes on when its stream ${how}`, async (t) => {
    const fixture = setUp(t)
    const scope = fixture.app.child()
    await end(scope.stream(lasting(fixture)))
    assert.equal(scope.state, 'open')
    await scope.get(fixture.tracker.resource('later'))
    await scope.close()
    assert.deepEqual(fixture.tracker.exits, ['later: unknown'])
  })
}

test('a stream that is begun while its parked scope aborts is over, and the scope closes', async (t) => {
  const fixture = setUp(t)
  const { app } = fixture
  let late: Numbers | undefined
  let inside: Scope | undefined
  const first = await app.run((scope) => {
    inside = scope
    scope.signal.addEventListener('abort', () => {
      late = scope.stream(lasting(fixture))
    })
    return scope.stream(lasting(fixture))
  })
  await first.next()
  inside?.abort(B)
  assert.equal(await rejection(first.next()), B)
  assert.ok(late !== undefined)
  assert.equal(await rejection(within(late.next())), B)
  assert.equal(inside?.state, 'closed')
})

test('a stream that failed leaves nothing either', async (t) => {
  const fixture = setUp(t)
  await inRun(fixture, async (scope) => {
    const stream = scope.stream(failing())
    assert.equal(await rejection(stream.next()), B)
    assert.deepEqual(leftIn(scope), [0, 0])
  })
})

test('a stream that is cancelled in a body ends its source there, in its scope, before the body goes on', async (t) => {
  const fixture = setUp(t)
  await inRun(fixture, async (scope) => {
    await scope.get(fixture.tracker.resource('lease'))
    for await (const number of scope.stream(counting(fixture))) if (number === 2) break
    fixture.tracker.events.push('the body goes on')
  })
  const { events } = fixture.tracker
  assert.deepEqual(events, ['+lease', 'source ended', 'the body goes on', '-lease'])
})

test('what a source fails with when it is cancelled in a body is for the body', async (t) => {
  const { app } = setUp(t)
  const stops: ((stream: Numbers) => Promise<unknown>)[] = [
    (stream) => stream.return(),
    (stream) => stream.throw(B),
  ]
  const errors = stops.map((stop) =>
    rejection(
      app.run(async (scope) => {
        const stream = scope.stream(failingToEnd())
        await stream.next()
        await stop(stream)
      }),
    ),
  )
  const [returned, thrown] = await Promise.all(errors)
  assert.equal(returned, D)
  const { error, suppressed } = thrown as SuppressedError
  assert.deepEqual([error, suppressed], [D, B])
})

test('a scope that closes while the source of a cancelled stream ends waits for that, however often it was cancelled', async (t) => {
  const { app, tracker } = setUp(t)
  const gate = Promise.withResolvers<void>()
  const scope = app.child()
  await scope.get(tracker.resource('lease'))
  const stream = scope.stream(endingWith(() => gate.promise))
  await stream.next()
  const cancelled = [stream.return(), stream.return()]
  const closed = scope.close()
  await quiet()
  assert.deepEqual(tracker.events, ['+lease'])
  gate.resolve()
  await within(Promise.all([...cancelled, closed]))
  assert.deepEqual(tracker.events, ['+lease', '-lease'])
})

test('a stream that is over leaves what was acquired after it', async (t) => {
  const fixture = setUp(t)
  await inRun(fixture, async (scope) => {
    const stream = scope.stream(counting(fixture))
    await scope.get(fixture.tracker.resource('lease'))
    await stream.return()
  })
  assert.deepEqual(fixture.tracker.events, ['+lease', '-lease'])
})

test('an entry that is taken out is told to be released', async (t) => {
  const told = listen(t, 'unwind:resource:acquired', 'unwind:resource:released')
  const app = open(t)
  for await (const number of app.stream(endingWith(() => {}))) if (number > 0) break
  const channels = told.map(([name]) => name)
  assert.deepEqual(channels, ['unwind:resource:acquired', 'unwind:resource:released'])
})

test('a stream of the app that ends while it warms up takes nothing along that was there before', async (t) => {
  const { app, tracker } = setUp(t)
  await app.get(tracker.resource('pool', { lifetime: 'app' }))
  const stream = app.stream(endingWith(() => {}))
  const broken = tracker.resource('broken', {
    lifetime: 'app',
    onAcquire: async () => {
      await stream.return()
      throw B
    },
  })
  assert.equal(await rejection(app.warmUp(broken)), B)
  assert.deepEqual(tracker.held, ['pool'])
})

const endings: Record<string, (scope: Scope) => unknown> = {
  'an abort of the request': (request) => request.abort(B),
  'a shutdown': (request) => (request.parent as App).shutdown({ grace: 0 }),
}

for (const [what, end] of Object.entries(endings)) {
  test(`${what} ends the stream of a child that was left open, and with it the request`, async (t) => {
    const { app } = setUp(t)
    let opened: Scope | undefined
    const stream = await app.run((request) => {
      opened = request
      return request.child().stream(silent)
    })
    const reading = Promise.all([rejection(stream.next()), rejection(stream.next())])
    assert.ok(opened !== undefined)
    end(opened)
    await within(reading)
    await quiet()
    assert.equal(opened.state, 'closed')
  })
}

const closings: Record<string, (block: Scope) => void> = {
  'was aborted': (block) => block.abort(B),
  failed: () => assert.fail('failed'),
}

for (const [how, close] of Object.entries(closings)) {
  test(`the stream of a block that ${how} keeps the request around it open no more`, async (t) => {
    const { app } = setUp(t)
    let opened: Scope | undefined
    await app.run(async (request) => {
      opened = request
      const block = request.run((inner) => {
        const stream = inner.stream(endingWith(() => {}))
        close(inner)
        return stream
      })
      await block.catch(() => {})
    })
    assert.equal(opened?.state, 'closed')
  })
}

test('the stream of a child that was aborted keeps the request around it open no more', async (t) => {
  const { app } = setUp(t)
  let opened: Scope | undefined
  await app.run((request) => {
    opened = request
    const child = request.child()
    child.stream(silent)
    child.abort(B)
  })
  assert.equal(opened?.state, 'closed')
})

test('a task that fails with what its stream failed with is reported where nobody else is told', async (t) => {
  const { app, unthrown } = setUp(t)
  await app.run((scope) => {
    const reading = scope.fork(() => scope.stream(failing()).next())
    const listening = scope.fork((signal) => untilAborted(signal))
    void Promise.allSettled([reading, listening])
  })
  await quiet()
  assert.deepEqual(taken(unthrown), ['B'])
})

test('a stream that fails with no object in the hands of a task fails with just that', async (t) => {
  const { app } = setUp(t)
  let read: Promise<unknown> | undefined
  await app.run((scope) => {
    read = rejection(scope.fork(() => scope.stream(failing('a text')).next()))
  })
  assert.equal(await read, 'a text')
})

function inRun({ app }: Fixture, body: (scope: Scope) => Promise<void>): Promise<void> {
  return app.run(body)
}

function leftIn(scope: Scope): [entries: number, listeners: number] {
  return [scope.inspect().resources.length, getEventListeners(scope.signal, 'abort').length]
}

function lasting(fixture: Fixture): AsyncIterable<number> {
  return endingWith(() => fixture.tracker.events.push('source ended'))
}

async function* endingWith(end: () => unknown): AsyncGenerator<number> {
  try {
    yield* [1, 2, 3]
  } finally {
    await end()
  }
}

function failingToEnd(): AsyncIterable<number> {
  return endingWith(() => Promise.reject(D))
}

/** Has nothing to say, and nothing to end. */
const silent: AsyncIterable<number> = {
  [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }),
}

async function* failing(error: unknown = B): AsyncGenerator<number> {
  throw error
}
