/** What happens is published, for whoever listens: names, ids and times, and never a value. */
import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import { subscribe, tracingChannel, unsubscribe } from 'node:diagnostics_channel'
import { getEventListeners } from 'node:events'
import { describe, test, type TestContext } from 'node:test'
import { resource, type ResourceAcquiring } from 'unwind'
import { quiet, rejection } from '../support/promises.ts'
import { script } from '../support/script.ts'
import { listen, open, identity, connection } from '../support/channels.ts'

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

  test('may be closed by whoever is told that it opened, and follows no signal then', async (t) => {
    const app = open(t)
    const { signal } = new AbortController()
    // The first thing that is told of it: nobody else has it yet.
    const listener = (): void => void app.close()
    subscribe('unwind:scope:opened', listener)
    t.after(() => unsubscribe('unwind:scope:opened', listener))
    const scope = app.child({ signal, timeout: 60_000 })
    await app.close()
    assert.equal(scope.state, 'closed')
    assert.deepEqual(getEventListeners(signal, 'abort'), [])
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
