/** What is acquired and released is published, for whoever listens: once each, in order, and never a value. */
import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { describe, test } from 'node:test'
import { createApp, hold, resource, run, type ResourceReleased } from 'unwind'
import { rejection } from '../support/promises.ts'
import { names, listen, open, identity, connection } from '../support/channels.ts'

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

  test('is held until its release begins, and what that takes is told apart', async (t) => {
    const app = open(t)
    const published = listen(t, 'unwind:resource:released')
    let now = 1_000
    t.mock.method(performance, 'now', () => now)
    await app.run((scope) => {
      scope.defer(() => {
        now += 50
      })
      now += 20
    })
    const [released] = published
    assert.ok(released?.[0] === 'unwind:resource:released')
    assert.deepEqual([released[1].heldMs, released[1].releaseMs], [20, 50])
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

  test('may be registered by whoever is told of the last release, and is released like any other', async (t) => {
    const app = open(t)
    const log: string[] = []
    const scope = app.child()
    const listener = (): void => {
      if (log.length === 1) scope.defer(() => void log.push('late'))
    }
    subscribe('unwind:resource:released', listener)
    t.after(() => unsubscribe('unwind:resource:released', listener))
    scope.defer(() => void log.push('last'))
    await scope.close()
    assert.deepEqual(log, ['last', 'late'])
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
