/** A dependency that was asked for and not waited for: it comes after those who asked, and is released after them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resource, type AcquireContext, type Resource } from 'unwind'
import { setUp } from '../support/app.ts'
import { quiet, rejection } from '../support/promises.ts'
import type { Tracked } from '../support/tracker.ts'

/**
 * A dependent of `slow` that does not wait is there before that, which comes once `gate` is open.
 * @param between comes after the dependent and before the gate opens
 */
async function comesLate(
  { app, tracker }: Pick<ReturnType<typeof setUp>, 'app' | 'tracker'>,
  slow: Resource<Tracked>,
  gate: PromiseWithResolvers<void>,
  between?: Resource<Tracked>,
): Promise<void> {
  const dependent = tracker.resource('dependent', { onAcquire: ({ get }) => void get(slow) })
  await app.run(async (scope) => {
    await scope.get(dependent)
    if (between !== undefined) await scope.get(between)
    gate.resolve()
    await scope.get(slow)
  })
}

test('it is released after its dependents, although it came after them', async (t) => {
  const { app, tracker } = setUp(t)
  const gate = Promise.withResolvers<void>()
  const slow = tracker.resource('slow', { onAcquire: () => gate.promise })
  const asksFor = ({ get }: AcquireContext): void => void get(slow)
  const first = tracker.resource('first', { onAcquire: asksFor })
  const second = tracker.resource('second', { onAcquire: asksFor })
  const later = tracker.resource('later')
  await app.run(async (scope) => {
    await scope.get(first)
    await scope.get(second)
    gate.resolve()
    await scope.get(slow)
    await scope.get(later)
  })
  assert.deepEqual(tracker.events, [
    ...['+first', '+second', '+slow', '+later'],
    ...['-later', '-second', '-first', '-slow'],
  ])
})

test('it is released last also through one that has no release', async (t) => {
  const { app, tracker } = setUp(t)
  const gates = { between: Promise.withResolvers<void>(), slow: Promise.withResolvers<void>() }
  const slow = tracker.resource('slow', { onAcquire: () => gates.slow.promise })
  const between = resource({
    async acquire({ get }) {
      void get(slow)
      await gates.between.promise
      return {}
    },
  })
  const dependent = tracker.resource('dependent', { onAcquire: ({ get }) => void get(between) })
  await app.run(async (scope) => {
    await scope.get(dependent)
    gates.between.resolve()
    await scope.get(between)
    gates.slow.resolve()
    await scope.get(slow)
  })
  assert.deepEqual(tracker.events, ['+dependent', '+slow', '-dependent', '-slow'])
})

test('it is released after all of its dependents, wherever they are in the list', async (t) => {
  const { app, tracker } = setUp(t)
  const gates = { second: Promise.withResolvers<void>(), slow: Promise.withResolvers<void>() }
  const slow = tracker.resource('slow', { onAcquire: () => gates.slow.promise })
  const first = tracker.resource('first', { onAcquire: ({ get }) => void get(slow) })
  const second = tracker.resource('second', {
    async onAcquire({ get }) {
      await gates.second.promise
      void get(slow)
    },
  })
  const oldest = tracker.resource('oldest', { onAcquire: ({ get }) => void get(second) })
  await app.run(async (scope) => {
    await scope.get(oldest)
    await scope.get(first)
    gates.second.resolve()
    await scope.get(second)
    gates.slow.resolve()
    await scope.get(slow)
  })
  assert.deepEqual(tracker.events, [
    ...['+oldest', '+first', '+second', '+slow'],
    ...['-first', '-oldest', '-second', '-slow'],
  ])
})

const needs: Record<string, (context: AcquireContext, other: Resource<Tracked>) => unknown> = {
  'it needs': ({ get }, other) => get(other),
  'it needs through a run': ({ scope }, other) => scope.run((inner) => inner.get(other)),
}
for (const [what, ask] of Object.entries(needs)) {
  test(`what ${what} is released after it, although that began later still`, async (t) => {
    const { app, tracker } = setUp(t)
    const gate = Promise.withResolvers<void>()
    const lowest = tracker.resource('lowest', { onAcquire: quiet })
    const below = tracker.resource('below', { onAcquire: ({ get }) => get(lowest) })
    const slow = tracker.resource('slow', {
      async onAcquire(context) {
        await gate.promise
        await ask(context, below)
      },
    })
    await comesLate({ app, tracker }, slow, gate)
    assert.deepEqual(tracker.events, [
      ...['+dependent', '+lowest', '+below', '+slow'],
      ...['-dependent', '-slow', '-below', '-lowest'],
    ])
  })
}

test('what it had begun to acquire before its dependent was there is released after it', async (t) => {
  const { app, tracker } = setUp(t)
  const gate = Promise.withResolvers<void>()
  const below = tracker.resource('below', { onAcquire: () => gate.promise })
  const slow = tracker.resource('slow', { onAcquire: ({ get }) => get(below) })
  await comesLate({ app, tracker }, slow, gate)
  assert.deepEqual(tracker.events, [
    ...['+dependent', '+below', '+slow'],
    ...['-dependent', '-slow', '-below'],
  ])
})

test('it is released last also where it asked for its dependent, and was told of the circle', async (t) => {
  const { app, tracker } = setUp(t)
  const gate = Promise.withResolvers<void>()
  const slow = tracker.resource('slow', {
    async onAcquire({ scope }) {
      await rejection(scope.get(dependent))
      await gate.promise
    },
  })
  const dependent: Resource<Tracked> = tracker.resource('dependent', {
    onAcquire: ({ get }) => void get(slow),
  })
  await app.run(async (scope) => {
    await scope.get(dependent)
    gate.resolve()
    await scope.get(slow)
  })
  assert.deepEqual(tracker.events.slice(-2), ['-dependent', '-slow'])
})

test('what it registers in its scope meanwhile is released after it', async (t) => {
  const { app, tracker } = setUp(t)
  const gate = Promise.withResolvers<void>()
  const slow = tracker.resource('slow', {
    async onAcquire({ scope }) {
      await gate.promise
      scope.adopt(tracker.acquire('helper'), (helper) => tracker.release(helper))
    },
  })
  await comesLate({ app, tracker }, slow, gate)
  assert.deepEqual(tracker.events, [
    ...['+dependent', '+helper', '+slow'],
    ...['-dependent', '-slow', '-helper'],
  ])
})

test('it is released before what it registered, also where a dependent is asked for later that is below that', async (t) => {
  const { app, tracker } = setUp(t)
  const gates = { late: Promise.withResolvers<void>(), slow: Promise.withResolvers<void>() }
  const slow = tracker.resource('slow', {
    async onAcquire({ scope }) {
      scope.adopt(tracker.acquire('helper'), (helper) => tracker.release(helper))
      await gates.slow.promise
    },
  })
  const late = tracker.resource('late', {
    async onAcquire({ get }) {
      await gates.late.promise
      void get(slow)
    },
  })
  const oldest = tracker.resource('oldest', { onAcquire: ({ get }) => void get(late) })
  await app.run(async (scope) => {
    await scope.get(oldest)
    const pending = scope.get(slow)
    gates.late.resolve()
    await scope.get(late)
    gates.slow.resolve()
    await pending
  })
  assert.deepEqual(tracker.events, [
    ...['+oldest', '+helper', '+late', '+slow'],
    ...['-slow', '-helper', '-oldest', '-late'],
  ])
})

test('it is released before what it needs itself, also where that came after its dependent', async (t) => {
  const { app, tracker } = setUp(t)
  const gate = Promise.withResolvers<void>()
  const there = tracker.resource('there')
  const slow = tracker.resource('slow', {
    async onAcquire({ get }) {
      await gate.promise
      await get(there)
    },
  })
  await comesLate({ app, tracker }, slow, gate, there)
  assert.deepEqual(tracker.events.slice(-3), ['-slow', '-there', '-dependent'])
})
