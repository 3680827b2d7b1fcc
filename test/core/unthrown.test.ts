/** Errors that nobody can catch: they go to `onError`, or to the process as a warning, and never to nowhere. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { createApp, resource } from 'unwind'
import { untilAborted } from './support/aborting.ts'
import { setUp, taken } from './support/app.ts'
import { errorsOf } from './support/chain.ts'
import { quiet, rejection } from './support/promises.ts'
import { script } from './support/script.ts'

function failing(name: string) {
  return resource({
    name,
    critical: false,
    acquire: () => 1,
    release: () => Promise.reject(new Error(`${name} failed`)),
  })
}

test('onError is inherited, and the nearest one is told, with the scope and the resource', async () => {
  const told: string[] = []
  const app = createApp({
    onError: (_error, { scope, resource: name }) => told.push(`app: ${scope.name} ${name}`),
  })
  await app.run({ name: 'outer' }, async (scope) => {
    await scope.get(failing('a'))
    const onError = (_error: unknown, info: { scope: unknown; resource?: string }): void =>
      void told.push(`own: ${info.scope === inner} ${info.resource}`)
    let inner: unknown
    await scope.run({ name: 'inner', onError, kind: 'request' }, async (own) => {
      inner = own
      await own.get(failing('b'))
    })
  })
  await app.close()
  assert.deepEqual(told, ['own: true b', 'app: outer a'])
})

test('a late generator that translates what it was given is reported', async (t) => {
  const { app, unthrown } = setUp(t)
  const gate = Promise.withResolvers<void>()
  const translating = resource(async function* translating() {
    await gate.promise
    try {
      yield 1
    } catch (cause) {
      throw new Error('E', { cause })
    }
  })
  const scope = app.child()
  const getting = rejection(scope.get(translating))
  scope.abort(new Error('R'))
  await getting
  gate.resolve()
  await scope.close()
  assert.deepEqual(taken(unthrown), ['E'])
})

test('a failing release of a late value is reported', async (t) => {
  const { app, unthrown } = setUp(t)
  const gate = Promise.withResolvers<number>()
  const lease = resource({
    name: 'lease',
    acquire: () => gate.promise,
    release: () => Promise.reject(new Error('D')),
  })
  const scope = app.child({ name: 'upload' })
  const getting = rejection(scope.get(lease))
  scope.abort(new Error('R'))
  await getting
  gate.resolve(1)
  await scope.close()
  const [report] = unthrown.splice(0)
  assert.deepEqual([report?.scope, report?.resource, report?.late], ['upload', 'lease', true])
})

test('without onError a process warning names the scope, the resource and the error', async () => {
  const lines = await script(`
    process.on('warning', ({ name, code, message }) => console.log(name, code, message))
    const file = resource({ name: 'file', critical: false, acquire: () => 1,
      release: () => { throw new Error('disk full') } })
    await run({ name: 'upload' }, (scope) => scope.get(file))
  `)
  assert.equal(lines.length > 0, true)
  assert.match(lines[0] ?? '', /^UnwindWarning UNWIND_\w+ "file".*"upload".*disk full/)
})

const loggers: Record<string, string> = {
  'that throws': '() => { throw new Error("logger broke") }',
  'whose promise rejects': 'async () => { throw new Error("logger broke") }',
}

for (const [which, onError] of Object.entries(loggers)) {
  test(`an onError ${which} loses neither error, and the scope ends well`, async () => {
    const lines = await script(`
      process.on('warning', ({ message }) => console.log(message.split('\\n')[0]))
      const app = createApp({ onError: ${onError} })
      const file = resource({ critical: false, acquire: () => 1,
        release: () => { throw new Error('disk full') } })
      console.log(await app.run(async (scope) => { await scope.get(file); return 'value' }))
      await turn()
    `)
    assert.equal(lines[0], 'value')
    assert.equal(lines.filter((line) => line.includes('disk full')).length, 1)
    assert.equal(lines.filter((line) => line.includes('logger broke')).length, 1)
  })
}

const quietly: Record<string, string> = {
  'a failed acquisition that nobody awaits': 'void scope.get(broken)',
  'a failed acquisition that one of two callers awaits':
    'void scope.get(broken); await scope.get(broken).catch(() => {})',
  'a failed acquisition with a signal that nobody awaits':
    'void scope.get(broken, { signal: new AbortController().signal })',
  'a dependency that fails when its dependent did not await it':
    'await scope.get(resource({ acquire: ({ get }) => { void get(broken); return 1 } }))',
  'an acquisition that is cut by an abort': 'void scope.get(slow); scope.abort()',
  'a get in a scope that was aborted': 'scope.abort(); void scope.get(slow)',
  'a get with a signal that was aborted': 'void scope.get(slow, { signal: AbortSignal.abort() })',
  'an acquisition that exceeds its time when nobody awaits it': 'void scope.get(stuck)',
  'an acquisition that is cut by a close': 'void scope.get(slow); void scope.close()',
  'a failing task that nobody awaits': 'void scope.fork(() => { throw new Error("T") })',
}

for (const [what, code] of Object.entries(quietly)) {
  test(`${what} is no unhandled rejection`, async () => {
    const lines = await script(`
      const fail = async () => { await turn(); throw new Error('A') }
      const broken = resource({ name: 'broken', acquire: fail })
      const slow = resource({ name: 'slow', acquire: () => turn() })
      const stuck = resource({ acquireTimeout: 5, acquire: () => new Promise(() => {}) })
      await run(async (scope) => {
        ${code}
        await turn()
        await turn()
      }).catch(() => {})
      await new Promise((resolve) => setTimeout(resolve, 20))
      console.log('ended')
    `)
    assert.deepEqual(lines, ['ended'])
  })
}

test('the error of a close that nobody awaits is not swallowed', async () => {
  const lines = await script(`
    const app = createApp({ onError: (error) => console.log('reported', error.message) })
    const scope = app.child()
    scope.defer(() => { throw new Error('D') })
    void scope.close()
    await turn()
    await turn()
    await app.close()
  `)
  assert.deepEqual(
    lines.map((line) => line.replace('reported', 'unhandled')),
    ['unhandled D'],
  )
})

test('the error of disposing something held that nobody awaits is not swallowed', async () => {
  const lines = await script(`
    void hold({}, () => { throw new Error('D') })[Symbol.asyncDispose]()
    await turn()
    await turn()
  `)
  assert.deepEqual(lines, ['unhandled D'])
})

test('nor is it where somebody awaits a second disposal', async () => {
  const lines = await script(`
    const held = hold({}, async () => { throw new Error('D') })
    void held[Symbol.asyncDispose]()
    await held[Symbol.asyncDispose]()
    await turn()
  `)
  assert.deepEqual(lines, ['unhandled D'])
})

test('the error of a nested run that nobody awaits is not swallowed when its parent ends first', async () => {
  const lines = await script(`
    const app = createApp({ onError: (error) => console.log('reported', error.message) })
    await app.run((scope) => {
      void scope.run(async () => { await turn(); throw new Error('B') })
    }).catch((error) => console.log('rejected', error.message))
    await turn()
    await app.close()
  `)
  assert.equal(lines.length, 1)
  assert.match(lines[0] ?? '', /^(unhandled|reported|rejected) B$/)
})

test('a nested run that somebody awaits later, and catches, is no unhandled rejection', async () => {
  const lines = await script(`
    await run(async (scope) => {
      const running = scope.run(() => { throw new Error('B') })
      await running.catch((error) => console.log('caught', error.message))
    })
  `)
  assert.deepEqual(lines, ['caught B'])
})

test('what is reported is reported once', async (t) => {
  const { app, unthrown } = setUp(t)
  await app.run(async (scope) => {
    await scope.get(failing('a'))
    await scope.get(failing('b'))
  })
  await quiet()
  assert.deepEqual(taken(unthrown), ['b failed', 'a failed'])
})

test('the failing close of a task that closes its own scope, and cannot wait for that, is reported', async (t) => {
  const { app, unthrown } = setUp(t)
  const scope = app.child()
  scope.defer(() => Promise.reject(new Error('D')))
  await scope.fork(() => scope.close())
  await scope.close()
  assert.equal(scope.state, 'closed')
  await quiet()
  assert.deepEqual(taken(unthrown), ['D'])
})

test('what is no resource is reported as something, with its scope', async () => {
  const lines = await script(`
    process.on('warning', ({ code, message }) => console.log(code, message.split('\\n')[0]))
    const app = createApp()
    app.detach(() => { throw new Error('not sent') }, { name: 'mail' })
    await turn()
  `)
  assert.equal(lines.length, 1, lines.join('\n'))
  assert.match(lines[0] ?? '', /^UNWIND_UNTHROWN Something in the scope "mail".*not sent/)
})

test('a release that ends because its time is over, and says just that, is not reported beside it', async (t) => {
  const { app } = setUp(t, { disposeTimeout: 5 })
  const waits: Promise<unknown>[] = []
  const running = app.run((scope) => {
    for (const ending of [untilAborted, (signal: AbortSignal) => sleep(60_000, 0, { signal })]) {
      scope.defer(({ signal }) => {
        const waiting = ending(signal)
        waits.push(waiting)
        return waiting
      })
    }
  })
  const errors = errorsOf(await rejection(running))
  const [last] = await Promise.allSettled(waits)
  assert.equal(last?.status === 'rejected' && (last.reason as Error).cause, errors[1])
  await quiet()
})
