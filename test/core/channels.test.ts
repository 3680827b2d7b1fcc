/** What happens is published, for whoever listens: names, ids and times, and never a value. */
import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import { subscribe, tracingChannel, unsubscribe } from 'node:diagnostics_channel'
import { describe, test, type TestContext } from 'node:test'
import {
  createApp,
  hold,
  resource,
  run,
  type App,
  type Channels,
  type ResourceAcquiring,
  type ResourceReleased,
  type Scope,
} from 'unwind'
import { quiet, rejection } from './support/promises.ts'
import { script } from './support/script.ts'

type Published = { [Name in keyof Channels]: [Name, Channels[Name]] }[keyof Channels]

const names: readonly (keyof Channels)[] = [
  'unwind:scope:opened',
  'unwind:scope:closed',
  'unwind:scope:incomplete',
  'unwind:scope:used-after-close',
  'unwind:resource:acquired',
  'unwind:resource:released',
  'unwind:resource:leaked',
  'unwind:resource:timeout',
  'unwind:lease:used-after-release',
]

/** What is published while the test runs, on these channels. */
function listen(t: TestContext, ...channels: (keyof Channels)[]): Published[] {
  const published: Published[] = []
  const listener = (message: unknown, name: string | symbol): void => {
    // The channel says which it is.
    published.push([name, message] as Published)
  }
  for (const name of channels) subscribe(name, listener)
  t.after(() => {
    for (const name of channels) unsubscribe(name, listener)
  })
  return published
}

function open(t: TestContext): App {
  const app = createApp({ name: 'shop' })
  t.after(() => app.close())
  return app
}

function identity({ id, name, kind }: Scope) {
  return { id, name, kind }
}

const connection = resource({
  name: 'connection',
  acquire: async () => ({}),
  release: async () => {},
})

describe('a scope', () => {
  test('is published when it opens and when it closes, with its outcome', async (t) => {
    const app = open(t)
    const published = listen(t, 'unwind:scope:opened', 'unwind:scope:closed')
    const seen = await app.run({ name: 'page' }, (scope) => identity(scope))
    await rejection(app.run(() => Promise.reject(new Error('B'))))
    const child = app.child()
    await child.close()
    assert.equal(published.length, 6)
    const [opened, closed, , failed, , incomplete] = published
    assert.deepEqual(opened, ['unwind:scope:opened', { ...seen, app: app.id, parent: app.id }])
    assert.ok(closed?.[0] === 'unwind:scope:closed')
    const { durationMs, ...rest } = closed[1]
    assert.deepEqual(rest, { ...seen, app: app.id, outcome: 'success' })
    assert.ok(durationMs >= 0)
    assert.ok(failed?.[0] === 'unwind:scope:closed' && failed[1].outcome === 'failure')
    assert.ok(incomplete?.[0] === 'unwind:scope:closed' && incomplete[1].outcome === 'unknown')
  })

  test('left without complete() is published as incomplete, and no other', async (t) => {
    const app = open(t)
    const published = listen(t, 'unwind:scope:incomplete')
    const left = app.child({ name: 'left' })
    const complete = app.child()
    complete.complete()
    const failed = app.child()
    failed.fail(new Error('F'))
    for (const scope of [left, complete]) await scope.close()
    await failed.close()
    await app.run(() => {})
    assert.deepEqual(published, [['unwind:scope:incomplete', identity(left)]])
  })

  test('used after it closed is published, with what was called', async (t) => {
    const app = open(t)
    const published = listen(t, 'unwind:scope:used-after-close')
    const [scope] = await app.run((inner) => [inner])
    assert.ok(scope !== undefined)
    await rejection(scope.get(connection))
    assert.deepEqual(published, [
      ['unwind:scope:used-after-close', { ...identity(scope), call: 'get()' }],
    ])
  })

  test('that closes while something is on its way was not used after its end', async (t) => {
    const app = open(t)
    const published = listen(t, 'unwind:scope:used-after-close')
    const scope = app.child()
    const waiting = rejection(scope.get(connection))
    await scope.close()
    await waiting
    assert.deepEqual(published, [])
  })
})

describe('a resource', () => {
  test('is published when it is acquired and when it is released, in that order and once each', async (t) => {
    const app = open(t)
    const published = listen(t, 'unwind:resource:acquired', 'unwind:resource:released')
    const seen = await app.run(async (scope) => {
      await scope.get(connection)
      await scope.get(connection)
      return identity(scope)
    })
    assert.deepEqual(
      published.map(([name]) => name),
      ['unwind:resource:acquired', 'unwind:resource:released'],
    )
    const [acquired, released] = published
    assert.ok(acquired?.[0] === 'unwind:resource:acquired')
    assert.ok(released?.[0] === 'unwind:resource:released')
    const { waitMs } = acquired[1]
    const { heldMs, releaseMs, ...rest } = released[1]
    assert.deepEqual(rest, { resource: 'connection', lifetime: 'request', scope: seen, waitMs })
    for (const ms of [waitMs, heldMs, releaseMs]) assert.ok(ms >= 0, String(ms))
  })

  test('use, adopt and defer are published as values, each released after what came later', async (t) => {
    const app = open(t)
    const published = listen(t, 'unwind:resource:acquired', 'unwind:resource:released')
    await app.run((scope) => {
      scope.use({ [Symbol.dispose]() {} })
      scope.adopt('path', function closeFile() {})
      scope.defer(function last() {})
    })
    const told = published.map(([name, message]) => {
      assert.ok('resource' in message && 'lifetime' in message && message.lifetime === 'value')
      return `${name.split(':')[2]} ${message.resource}`
    })
    assert.deepEqual(told, [
      'acquired Object',
      'acquired closeFile',
      'acquired last',
      'released last',
      'released closeFile',
      'released Object',
    ])
  })

  test('what is held outside of scopes is published as owned', async (t) => {
    const published = listen(t, 'unwind:resource:acquired', 'unwind:resource:released')
    const held = hold({}, () => {}, { name: 'redis' })
    await held[Symbol.asyncDispose]()
    await held[Symbol.asyncDispose]()
    const told = published.map(([name, message]) => {
      assert.ok('lifetime' in message)
      return `${name} ${message.resource} ${message.lifetime}`
    })
    assert.deepEqual(told, [
      'unwind:resource:acquired redis owned',
      'unwind:resource:released redis owned',
    ])
  })

  test('a value that comes too late is acquired and released all the same', async (t) => {
    const app = open(t)
    const published = listen(t, 'unwind:resource:acquired', 'unwind:resource:released')
    const gate = Promise.withResolvers<object>()
    const slow = resource({ name: 'slow', acquire: () => gate.promise, release: () => {} })
    const scope = app.child()
    const waiting = rejection(scope.get(slow))
    scope.abort()
    await waiting
    gate.resolve({})
    await scope.close()
    assert.deepEqual(
      published.map(([name]) => name),
      ['unwind:resource:acquired', 'unwind:resource:released'],
    )
  })

  test('whose release began before anybody listened is published when that is over', async (t) => {
    const scope = open(t).child()
    const gate = Promise.withResolvers<void>()
    scope.defer(function lease() {
      return gate.promise
    })
    const closing = scope.close()
    const published = listen(t, 'unwind:resource:released')
    gate.resolve()
    await closing
    // A type that has these fields: that of the only channel that is listened to.
    const [message, ...more] = published.map(([, released]) => released as ResourceReleased)
    assert.deepEqual(more, [])
    assert.deepEqual([message?.resource, message?.scope], ['lease', identity(scope)])
    assert.deepEqual([message?.releaseMs, Number(message?.heldMs) >= 0], [0, true])
  })

  test('that takes too long is published, with the phase', async (t) => {
    const app = createApp({ onError: () => {} })
    t.after(() => app.close())
    const published = listen(t, 'unwind:resource:timeout')
    const never = new Promise<never>(() => {})
    const gate = Promise.withResolvers<object>()
    const [slow, stuck] = [
      resource({ name: 'slow', acquireTimeout: 1, acquire: () => gate.promise }),
      resource({ name: 'stuck', disposeTimeout: 2, acquire: () => ({}), release: () => never }),
    ]
    const scope = app.child()
    await rejection(scope.get(slow))
    gate.resolve({})
    await scope.get(stuck)
    await rejection(scope.close())
    const where = identity(scope)
    assert.deepEqual(published, [
      [
        'unwind:resource:timeout',
        { resource: 'slow', scope: where, phase: 'acquire', timeoutMs: 1 },
      ],
      [
        'unwind:resource:timeout',
        { resource: 'stuck', scope: where, phase: 'release', timeoutMs: 2 },
      ],
    ])
  })

  test('a handle that is used after its release is published, in words', async (t) => {
    const published = listen(t, 'unwind:lease:used-after-release')
    const held = hold({}, () => {}, { name: 'redis' })
    await held[Symbol.asyncDispose]()
    assert.throws(() => held.value)
    assert.deepEqual(published, [
      ['unwind:lease:used-after-release', { lease: 'The held "redis"' }],
    ])
  })

  test('neither a value nor what was asked for it is ever published', async (t) => {
    const published = listen(t, ...names)
    const secret = 'postgres://user:secret@host/db'
    const database = resource({
      name: 'database',
      acquire: () => ({ secret }),
      release: () => Promise.reject(new Error(secret)),
    })
    await rejection(
      run(async (scope) => {
        await scope.get(database)
        scope.adopt(secret, () => {})
        void hold(secret, () => {}).value
        throw new Error(secret)
      }),
    )
    assert.ok(published.length > 6)
    assert.doesNotMatch(JSON.stringify(published), /secret/)
  })
})

describe('the tracing channel unwind:acquire', () => {
  const channel = tracingChannel<unknown, ResourceAcquiring>('unwind:acquire')

  function trace(t: TestContext): [string, ResourceAcquiring][] {
    const events: [string, ResourceAcquiring][] = []
    const handlers = Object.fromEntries(
      ['start', 'end', 'asyncStart', 'asyncEnd', 'error'].map((name) => [
        name,
        // What this channel publishes.
        (message: unknown) => void events.push([name, message as ResourceAcquiring]),
      ]),
    )
    // Every handler of the channel is there.
    const all = handlers as unknown as Parameters<typeof channel.subscribe>[0]
    channel.subscribe(all)
    t.after(() => channel.unsubscribe(all))
    return events
  }

  test('goes around the wait, with one message for all of it', async (t) => {
    const app = open(t)
    const events = trace(t)
    const seen = await app.run(async (scope) => {
      await scope.get(connection)
      return identity(scope)
    })
    assert.deepEqual(
      events.map(([name]) => name),
      ['start', 'end', 'asyncStart', 'asyncEnd'],
    )
    assert.equal(new Set(events.map(([, message]) => message)).size, 1)
    assert.deepEqual(events[0]?.[1], { resource: 'connection', lifetime: 'request', scope: seen })
  })

  test('tells what failed, whether it was thrown or rejected', async (t) => {
    const app = open(t)
    const events = trace(t)
    const [A, B] = [new Error('A'), new Error('B')]
    const throwing = resource({
      name: 'throwing',
      acquire: () => {
        throw A
      },
    })
    const rejecting = resource({ name: 'rejecting', acquire: () => Promise.reject(B) })
    const scope = app.child()
    await rejection(scope.get(throwing))
    await rejection(scope.get(rejecting))
    await quiet()
    assert.deepEqual(
      events.map(([name, { resource: of, error }]) => [name, of, error]),
      [
        ['start', 'throwing', A],
        ['error', 'throwing', A],
        ['end', 'throwing', A],
        ['start', 'rejecting', B],
        ['end', 'rejecting', B],
        ['error', 'rejecting', B],
        ['asyncStart', 'rejecting', B],
        ['asyncEnd', 'rejecting', B],
      ],
    )
  })

  test('a store that is bound to it is there inside the acquire function, with its scope', async (t) => {
    const app = open(t)
    const spans = new AsyncLocalStorage<string>()
    channel.start.bindStore(spans, ({ resource: of }) => `span of ${of}`)
    t.after(() => void channel.start.unbindStore(spans))
    const traced = resource({
      name: 'traced',
      acquire: async ({ scope }) => ({ span: spans.getStore(), scope: scope.name }),
    })
    const found = await app.run({ name: 'page' }, (scope) => scope.get(traced))
    assert.deepEqual(found, { span: 'span of traced', scope: 'page' })
    assert.equal(spans.getStore(), undefined)
  })
})

test('a subscriber that throws reaches neither the scope nor whoever runs it', async () => {
  const lines = await script(`
    import { subscribe } from 'node:diagnostics_channel'
    process.on('uncaughtException', (error) => console.log('uncaught', error.message))
    for (const name of ['unwind:scope:opened', 'unwind:resource:acquired', 'unwind:resource:released', 'unwind:scope:closed']) {
      subscribe(name, () => { throw new Error(name) })
    }
    const app = createApp()
    const connection = resource({ name: 'connection', acquire: () => 1, release: () => console.log('released') })
    console.log(await app.run((scope) => scope.get(connection)))
    await turn()
  `)
  assert.deepEqual(
    lines.filter((line) => !line.startsWith('uncaught')),
    ['released', '1'],
  )
  assert.equal(lines.filter((line) => line.startsWith('uncaught')).length, 5)
})
