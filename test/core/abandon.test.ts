/** `abandonAfter`: a body that ignores its abort stops being waited for, and loses what it holds. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  AbandonedError,
  hold,
  primaryError,
  resource,
  ScopeClosedError,
  type Resource,
  type Scope,
} from 'unwind'
import { setUp, taken } from './support/app.ts'
import { isPending, quiet, rejection, thrown, within } from './support/promises.ts'

const R = new Error('R')

/** A resource that tells `events` how it ended. */
function leaseTo(events: string[]): Resource<number> {
  return resource({
    acquire: () => 1,
    release: () => events.push('given back'),
    destroy: () => events.push('destroyed'),
  })
}

test('a body that ignores its abort is abandoned, and finalizers see aborted', async (t) => {
  const { app, tracker } = setUp(t)
  const running = app.run({ name: 'upload', abandonAfter: 10 }, async (scope) => {
    await scope.get(tracker.resource('lease'))
    scope.abort(R)
    await new Promise(() => {})
  })
  const error = await rejection(running)
  assert.ok(error instanceof AbandonedError)
  assert.equal(error.code, 'ERR_ABANDONED')
  assert.equal(error.cause, R)
  assert.match(error.message, /"upload" .*10 ms.*Pass .*signal/)
  assert.deepEqual(tracker.exits, [`lease: aborted(R, ${error.message})`])
})

test('what an abandoned body holds is destroyed, not given back', async (t) => {
  const { app, tracker } = setUp(t)
  const { events } = tracker
  const connection = {}
  const lease = resource({
    name: 'lease',
    acquire: () => connection,
    release: () => events.push('given back'),
    destroy: (value) => events.push(value === connection ? 'destroyed' : 'something else'),
  })
  const running = app.run({ abandonAfter: 10 }, async (scope) => {
    await scope.get(lease)
    scope.abort(R)
    await new Promise(() => {})
  })
  assert.ok((await rejection(running)) instanceof AbandonedError)
  assert.deepEqual(events, ['destroyed'])
})

test('an abandoned body finds its scope closed and its handles dead', async (t) => {
  const { app, tracker, unthrown } = setUp(t)
  const gate = Promise.withResolvers<void>()
  const ended = Promise.withResolvers<unknown[]>()
  const running = app.run({ abandonAfter: 10 }, async (scope) => {
    const held = scope.use(hold('connection', () => {}))
    scope.abort(R)
    await gate.promise
    ended.resolve([await rejection(scope.get(tracker.resource('lease'))), thrown(() => held.value)])
    throw new Error('late')
  })
  assert.ok((await rejection(running)) instanceof AbandonedError)
  gate.resolve()
  const [closed, disposed] = await within(ended.promise)
  assert.ok(closed instanceof ScopeClosedError)
  assert.equal((disposed as { code?: unknown }).code, 'ERR_DISPOSED')
  await quiet()
  assert.deepEqual(taken(unthrown), ['late'])
})

test('an abandoned body that heeds its abort after all fails with nothing new', async (t) => {
  const { app, unthrown } = setUp(t)
  for (const late of [R, new DOMException('aborted', { name: 'AbortError', cause: R })]) {
    const gate = Promise.withResolvers<never>()
    const running = app.run({ abandonAfter: 10 }, async (scope) => {
      scope.abort(R)
      return await gate.promise
    })
    assert.ok((await rejection(running)) instanceof AbandonedError)
    gate.reject(late)
    await quiet()
  }
  assert.deepEqual(taken(unthrown), [])
})

test('a body that ends in time is not abandoned', async (t) => {
  const { app } = setUp(t)
  const result = await app.run({ abandonAfter: 60_000 }, async (scope) => {
    scope.abort(R)
    await quiet()
    return 'value'
  })
  assert.equal(result, 'value')
})

test('without an abort a body takes as long as it takes', async (t) => {
  const { app } = setUp(t)
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const gate = Promise.withResolvers<string>()
  const running = app.run({ abandonAfter: 10 }, () => gate.promise)
  t.mock.timers.tick(1_000)
  t.mock.timers.reset()
  assert.equal(await isPending(running), true)
  gate.resolve('value')
  assert.equal(await within(running), 'value')
})

test('abandonAfter is inherited, and a nested body that hangs is abandoned with its parent', async (t) => {
  const { app, tracker, unthrown } = setUp(t, { abandonAfter: 10 })
  const running = app.run(async (scope) => {
    await scope.get(tracker.resource('outer'))
    scope.defer(() => tracker.events.push('outer ends'))
    const nested = scope.run(async (inner: Scope) => {
      inner.defer(() => tracker.events.push('inner ends'))
      scope.abort(R)
      await new Promise(() => {})
    })
    await nested
  })
  assert.ok((await rejection(running)) instanceof AbandonedError)
  assert.deepEqual(tracker.events, ['+outer', 'inner ends', 'outer ends', '-outer'])
  // The outer body was abandoned too, and then failed with what the nested run gave it.
  for (const { error } of unthrown.splice(0)) assert.ok(error instanceof AbandonedError)
})

test('a passed deadline counts as the abort', async (t) => {
  const { app } = setUp(t)
  const running = app.run({ timeout: 5, abandonAfter: 5 }, () => new Promise(() => {}))
  const error = await rejection(running)
  assert.ok(error instanceof AbandonedError)
  assert.ok(error.cause instanceof DOMException)
  assert.equal(error.cause.name, 'TimeoutError')
})

test('without abandonAfter an aborted body is waited for, however long', async (t) => {
  const { app } = setUp(t)
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const gate = Promise.withResolvers<string>()
  const running = app.run((scope) => {
    scope.abort(R)
    return gate.promise
  })
  t.mock.timers.tick(2 ** 30)
  t.mock.timers.reset()
  assert.equal(await isPending(running), true)
  gate.resolve('value')
  assert.equal(await within(running), 'value')
})

test('a task that ignores the abort is abandoned as a body is, and what it uses is destroyed', async (t) => {
  const { app, tracker } = setUp(t)
  const { events } = tracker
  const lease = leaseTo(events)
  const running = app.run({ abandonAfter: 10 }, async (scope) => {
    await scope.get(lease)
    void scope.fork(() => new Promise(() => {}))
    scope.abort(R)
    scope.signal.throwIfAborted()
  })
  const error = await rejection(running)
  assert.ok(error instanceof AbandonedError)
  assert.equal(error.cause, R)
  assert.deepEqual(events, ['destroyed'])
})

for (const who of ['body', 'task']) {
  test(`what a child holds that was left open beside an abandoned ${who} is destroyed, too`, async (t) => {
    const { app, tracker } = setUp(t)
    const { events } = tracker
    const lease = resource({
      lifetime: 'scope',
      acquire: () => 1,
      release: () => events.push('given back'),
      destroy: () => events.push('destroyed'),
    })
    const running = app.run({ abandonAfter: 10 }, async (scope) => {
      const child = scope.child().child()
      await child.get(lease)
      child.defer(({ status }) => events.push(status))
      scope.abort(R)
      if (who === 'body') await new Promise(() => {})
      void scope.fork(() => new Promise(() => {}))
    })
    assert.ok((await rejection(running)) instanceof AbandonedError)
    assert.deepEqual(events, ['aborted', 'destroyed'])
  })
}

test("an abandoned task suppresses the body's own error, which stays the primary one", async (t) => {
  const { app, tracker } = setUp(t)
  const { events } = tracker
  const B = new Error('B')
  const lease = leaseTo(events)
  const running = app.run({ abandonAfter: 10 }, async (scope) => {
    await scope.get(lease)
    void scope.fork(() => new Promise(() => {}))
    throw B
  })
  const error = await rejection(running)
  assert.equal(primaryError(error), B)
  assert.ok((error as SuppressedError).error instanceof AbandonedError)
  assert.deepEqual(events, ['destroyed'])
})

test('an abandoned task that fails after all is reported', async (t) => {
  const { app, unthrown } = setUp(t)
  const gate = Promise.withResolvers<void>()
  const running = app.run({ abandonAfter: 10 }, (scope) => {
    void scope.fork(() => gate.promise)
    scope.abort(R)
  })
  assert.ok((await rejection(running)) instanceof AbandonedError)
  gate.reject(new Error('late'))
  await quiet()
  assert.deepEqual(taken(unthrown), ['late'])
})

for (const who of ['body', 'task']) {
  test(`what an abandoned ${who} may be using is destroyed, too, where a task failed beside it`, async (t) => {
    const { app, tracker } = setUp(t)
    const { events } = tracker
    const lease = leaseTo(events)
    const running = app.run({ abandonAfter: 10 }, async (scope) => {
      await scope.get(lease)
      void scope.fork(async () => {
        await quiet()
        throw new Error('T')
      })
      if (who === 'body') await new Promise(() => {})
      void scope.fork(() => new Promise(() => {}))
    })
    const error = await rejection(running)
    if (who === 'task') assert.equal((primaryError(error) as Error).message, 'T')
    else assert.ok(error instanceof AggregateError && error.errors[0] instanceof AbandonedError)
    assert.deepEqual(events, ['destroyed'])
  })
}

test('a task of the app that ignores its close is abandoned as a body is', async (t) => {
  const { app } = setUp(t, { abandonAfter: 10 })
  void app.fork(() => new Promise(() => {}))
  const error = await rejection(app.close())
  assert.ok(error instanceof AbandonedError)
  assert.equal((error.cause as Error).name, 'ShutdownError')
})
