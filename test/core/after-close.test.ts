/** What a scope still does for whoever comes too late: while it drains, while it closes, once it is closed. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ScopeClosedError, type Exit, type Scope } from 'unwind'
import { setUp, taken } from './support/app.ts'
import { ending } from './support/chain.ts'
import { isPending, quiet, rejection, thrown, within } from './support/promises.ts'

const entries: [name: string, call: (scope: Scope) => unknown][] = [
  ['run', (scope) => scope.run(() => assert.fail('ran'))],
  ['child', (scope) => scope.child()],
  ['fork', (scope) => scope.fork(() => assert.fail('ran'))],
]

for (const [name, call] of entries) {
  test(`${name} on a closed scope is a ScopeClosedError that names the scope, when it closed, and what to do`, async (t) => {
    const { app } = setUp(t)
    const scope = app.child({ name: 'upload' })
    await scope.close()
    const error = await rejection(Promise.resolve().then(() => call(scope)))
    assert.ok(error instanceof ScopeClosedError)
    assert.equal(error.code, 'ERR_SCOPE_CLOSED')
    assert.match(error.message, new RegExp(`^${name}\\(\\): the scope "upload" .*closed .* ago\\.`))
    assert.match(error.message, /Await what the scope started/)
  })
}

test('a release that asks for work is told that it came too late, and what to do', async (t) => {
  const { app, tracker } = setUp(t)
  const lease = tracker.resource('lease')
  const messages: string[] = []
  await app.run({ name: 'upload' }, (scope) => {
    const asked = entries.concat([['get', (closing) => closing.get(lease)]])
    scope.defer(async () => {
      for (const [, call] of asked) {
        const error = await rejection(Promise.resolve().then(() => call(scope)))
        messages.push(String(error))
      }
    })
  })
  assert.equal(messages.length, 4)
  for (const message of messages) {
    assert.match(message, /"upload" .* is closing\..*await in the body .* get there what a release/)
    assert.doesNotMatch(message, /scope of its own/)
  }
})

test('get on a closed scope is a ScopeClosedError, and nothing is acquired', async (t) => {
  const { app, tracker } = setUp(t)
  const lease = tracker.resource('lease')
  const pool = tracker.resource('pool', { lifetime: 'app' })
  const scope = app.child({ name: 'upload' })
  await scope.close()
  for (const one of [lease, pool]) {
    const error = await rejection(scope.get(one))
    assert.ok(error instanceof ScopeClosedError)
    assert.match(error.message, /^get\(\): the scope "upload" .*closed/)
  }
  assert.deepEqual(tracker.events, [])
})

test('what was acquired in a scope cannot be had from it once it is closed', async (t) => {
  const { app, tracker } = setUp(t)
  const lease = tracker.resource('lease')
  const scope = app.child()
  await scope.get(lease)
  await scope.close()
  assert.ok((await rejection(scope.get(lease))) instanceof ScopeClosedError)
  assert.equal(tracker.count('lease'), 1)
})

const registrations: [name: string, register: (scope: Scope, release: () => unknown) => unknown][] =
  [
    ['adopt', (scope, release) => scope.adopt('value', release)],
    ['defer', (scope, release) => scope.defer(release)],
    ['use', (scope, release) => scope.use({ [Symbol.asyncDispose]: async () => void release() })],
  ]

for (const [name, register] of registrations) {
  test(`${name} on a closed scope runs the cleanup at once, and then throws`, async (t) => {
    const { app, tracker } = setUp(t)
    const scope = app.child()
    await scope.close()
    const error = thrown(() => register(scope, () => tracker.events.push('cleaned up')))
    assert.ok(error instanceof ScopeClosedError)
    assert.match(error.message, new RegExp(`^${name}\\(\\)`))
    assert.deepEqual(tracker.events, ['cleaned up'])
  })

  test(`a cleanup that fails after ${name} on a closed scope is reported`, async (t) => {
    const { app, unthrown } = setUp(t)
    const scope = app.child({ name: 'upload' })
    await scope.close()
    const D = new Error('D')
    const failing = (): never => {
      throw D
    }
    assert.ok(thrown(() => register(scope, failing)) instanceof ScopeClosedError)
    await quiet()
    const [report, ...others] = unthrown.splice(0)
    assert.deepEqual(others, [])
    assert.equal(report?.error, D)
    assert.equal(report.scope, 'upload')
    assert.equal(report.late, true)
  })

  test(`${name} while a scope closes registers what runs next`, async (t) => {
    const { app, tracker } = setUp(t)
    await app.run((scope) => {
      scope.defer(() => tracker.events.push('outer'))
      scope.defer(() => register(scope, () => tracker.events.push('late')))
    })
    assert.deepEqual(tracker.events, ['late', 'outer'])
  })
}

test('what is cleaned up after the end sees the outcome of its scope', async (t) => {
  const { app } = setUp(t)
  const ends: string[] = []
  const note = (exit: Exit): void => void ends.push(ending(exit))
  const scopes: Scope[] = []
  await app.run((scope) => void scopes.push(scope))
  const failing = app.run((scope) => {
    scopes.push(scope)
    throw new Error('B')
  })
  await rejection(failing)
  for (const scope of scopes) thrown(() => scope.defer(note))
  assert.deepEqual(ends, ['success', 'failure(B)'])
})

test('a value adopted too late is handed to its release', async (t) => {
  const { app } = setUp(t)
  const scope = app.child()
  await scope.close()
  const released: unknown[] = []
  thrown(() => scope.adopt('value', (value) => released.push(value)))
  assert.deepEqual(released, ['value'])
})

test('while a scope drains, its nested runs and tasks may still get, use, fork and open scopes', async (t) => {
  const { app, tracker } = setUp(t)
  const gate = Promise.withResolvers<void>()
  const lease = tracker.resource('lease')
  let draining: Scope | undefined
  const running = app.run((request) => {
    draining = request
    void request.run(async (block) => {
      await gate.promise
      await block.get(lease)
      await request.run(() => quiet())
    })
    void request.fork(async () => {
      await gate.promise
      request.use(tracker.disposable('used'))
      await request.fork(async () => {
        await request.get(lease)
        tracker.events.push('forked')
      })
    })
  })
  assert.equal(await isPending(running), true)
  assert.equal(draining?.state, 'draining')
  gate.resolve()
  await within(running)
  assert.equal(tracker.count('lease'), 1)
  assert.ok(tracker.events.includes('forked'))
})

test('while a scope closes nothing new is acquired, and what is still open can be read', async (t) => {
  const { app, tracker } = setUp(t)
  const [outer, inner] = [tracker.resource('outer'), tracker.resource('inner')]
  await app.run(async (scope) => {
    const held = await scope.get(outer)
    scope.defer(async () => {
      assert.equal(scope.state, 'closing')
      assert.equal(await scope.get(outer), held)
      assert.ok((await rejection(scope.get(inner))) instanceof ScopeClosedError)
      const other = tracker.resource('other')
      assert.ok((await rejection(scope.get(other))) instanceof ScopeClosedError)
      assert.ok((await rejection(scope.run(() => {}))) instanceof ScopeClosedError)
      assert.ok(thrown(() => scope.child()) instanceof ScopeClosedError)
      assert.ok(thrown(() => scope.fork(() => {})) instanceof ScopeClosedError)
    })
    await scope.get(inner)
  })
  assert.deepEqual(tracker.events, ['+outer', '+inner', '-inner', '-outer'])
})

test('the state goes from open through draining and closing to closed', async (t) => {
  const { app } = setUp(t)
  const states: string[] = []
  const scope = app.child()
  const note = (): void => void states.push(`${scope.state} ${scope.disposed}`)
  note()
  scope.child().defer(note)
  scope.defer(note)
  await scope.close()
  note()
  assert.deepEqual(states, ['open false', 'draining false', 'closing false', 'closed true'])
})

test('complete, fail and abort after the end change nothing and throw nothing', async (t) => {
  const { app, unthrown } = setUp(t)
  const scope = app.child()
  await scope.close()
  scope.complete()
  scope.fail(new Error('E'))
  scope.abort(new Error('R'))
  assert.equal(scope.signal.aborted, false)
  assert.deepEqual(taken(unthrown), [])
})

test('use on a closed scope throws where there is nothing to clean up, too', async (t) => {
  const { app } = setUp(t)
  const scope = app.child()
  assert.equal(scope.use(null), null)
  await scope.close()
  for (const nothing of [null, undefined]) {
    const error = thrown(() => scope.use(nothing))
    assert.ok(error instanceof ScopeClosedError)
    assert.match(error.message, /^use\(\)/)
  }
})

test('a body that closes its own scope and fails after that rejects with its error', async (t) => {
  const { app, tracker } = setUp(t)
  const B = new Error('B')
  const running = app.run(async (scope) => {
    await scope.get(tracker.resource('lease'))
    await scope.close()
    throw B
  })
  assert.equal(await rejection(running), B)
  assert.deepEqual(tracker.exits, ['lease: unknown'])
})

test('a body that has closed its own scope can close its app and go on', async (t) => {
  const { app } = setUp(t)
  await within(
    app.run((request) =>
      request.run(async (block) => {
        await block.close()
        await app.close()
      }),
    ),
  )
  assert.equal(app.state, 'closed')
})

test('so can one that has closed a scope in it, from inside of that', async (t) => {
  const { app } = setUp(t)
  await within(
    app.run(async (request) => {
      const child = request.child()
      await child.close()
      await child.enter(() => app.close())
    }),
  )
  assert.equal(app.state, 'closed')
})
