/** A shutdown gives back what scopes hold that were opened with `child()` and that nobody closed. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { AcquireTimeoutError, resource } from 'unwind'
import { setUp } from './support/app.ts'
import { rejection, within } from './support/promises.ts'

const now = { grace: 0, abortGrace: 0 }

test('a scope that was left open is told, reported, and closed before what it stands on', async (t) => {
  const { app, tracker } = setUp(t)
  await app.get(tracker.resource('pool', { lifetime: 'app' }))
  const left = app.child({ name: 'import' })
  await left.get(tracker.resource('file'))
  await left.child({ name: 'page' }).get(tracker.resource('cursor', { lifetime: 'scope' }))
  const { drained, aborted, stuck, errors } = await within(app.shutdown(now))
  assert.deepEqual({ drained, aborted, errors }, { drained: 0, aborted: 1, errors: [] })
  assert.deepEqual(
    stuck.map(({ name, state, resources }) => [name, state, resources.length]),
    [['import', 'open', 1]],
  )
  assert.deepEqual(tracker.events, ['+pool', '+file', '+cursor', '-cursor', '-file', '-pool'])
  assert.equal(tracker.exits[1], 'file: aborted(The app "app" shuts down.)')
  assert.equal(left.state, 'closed')
})

test('its owner may close it within the abort grace, and is not reported then', async (t) => {
  const { app, tracker } = setUp(t)
  const left = app.child()
  await left.get(tracker.resource('file'))
  left.signal.addEventListener('abort', () => void left.close())
  const report = await within(app.shutdown({ grace: 0, abortGrace: 600_000 }))
  assert.deepEqual(report, { drained: 0, aborted: 1, stuck: [], errors: [] })
  assert.deepEqual(tracker.held, [])
})

test('where something goes on in it that does not end, it keeps what it holds', async (t) => {
  const { app, tracker } = setUp(t)
  const gate = Promise.withResolvers<void>()
  const busy = [
    app.child({ name: 'runs' }),
    app.child({ name: 'forks' }),
    app.child({ name: 'streams' }),
    app.child({ name: 'acquires' }),
  ] as const
  for (const scope of busy) {
    // oxlint-disable-next-line no-await-in-loop -- in this order
    await scope.get(tracker.resource(scope.inspect().name))
  }
  const [runs, forks, streams, acquires] = busy
  const running = [
    runs.child().run(() => gate.promise),
    forks.fork(() => gate.promise),
    acquires.get(tracker.resource('slow', { onAcquire: () => gate.promise })),
  ]
  const rows = streams.stream(
    (async function* (): AsyncGenerator<number> {
      yield 1
      await gate.promise
    })(),
  )
  await rows.next()
  const next = rows.next()
  const report = await within(app.shutdown(now))
  assert.deepEqual(
    report.stuck.map(({ name }) => name),
    ['acquires', 'streams', 'forks', 'runs'],
  )
  assert.deepEqual(tracker.held, ['runs', 'forks', 'streams', 'acquires'])
  gate.resolve()
  await Promise.allSettled([...running, next])
  await Promise.all(busy.map((scope) => scope.close()))
  assert.deepEqual(tracker.held, [])
})

test('a release that fails in it is an error of the shutdown', async (t) => {
  const { app } = setUp(t)
  const failure = new Error('The disk is full.')
  app.child().defer(() => {
    throw failure
  })
  const { errors } = await within(app.shutdown(now))
  assert.deepEqual(errors, [failure])
})

test('it ends although a close before it waits for what heeds nothing', async (t) => {
  const { app, tracker } = setUp(t)
  const gate = Promise.withResolvers<void>()
  await app.get(tracker.resource('pool', { lifetime: 'app' }))
  const running = app.run({ name: 'deaf' }, () => gate.promise)
  const closing = app.close()
  const { aborted, stuck, errors } = await within(app.shutdown(now))
  assert.deepEqual([aborted, stuck.map(({ name }) => name), errors], [1, ['deaf'], []])
  assert.deepEqual(tracker.held, ['pool'])
  gate.resolve()
  await within(Promise.all([running, closing]))
  assert.deepEqual(tracker.held, [])
})

test('it leaves an acquisition for the app behind that a close before it waits for', async (t) => {
  const { app, tracker } = setUp(t)
  const gate = Promise.withResolvers<void>()
  const slow = tracker.resource('slow', { lifetime: 'app', onAcquire: () => gate.promise })
  const got = rejection(app.get(slow))
  const closing = app.close()
  const { stuck, errors } = await within(app.shutdown(now))
  assert.deepEqual([stuck.length, errors.length], [0, 1])
  // It has no acquireTimeout.
  assert.match(String(errors[0]), /"slow" took longer than its abortGrace of 0 ms/)
  await within(Promise.all([got, closing]))
  gate.resolve()
})

test('what a release below the app asks of it too late is left behind as well', async (t) => {
  const { app } = setUp(t)
  const hanging = resource({ lifetime: 'app', acquire: () => new Promise<never>(() => {}) })
  const left = app.child()
  left.defer(async () => {
    await sleep(20)
    void rejection(left.get(hanging))
  })
  const { errors } = await within(app.shutdown(now))
  assert.deepEqual(
    errors.map((error) => error instanceof AcquireTimeoutError),
    [true],
  )
})
