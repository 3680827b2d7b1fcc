/** Whoever hears of an abort may close what was aborted, or what is around it: each scope closes once, and to its end. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { run, type App, type Scope, type ShutdownReport } from 'unwind'
import { untilAborted } from './support/aborting.ts'
import { setUp, type Fixture } from './support/app.ts'
import { quiet, rejection, within } from './support/promises.ts'

const B = new Error('B')

/** Two releases, each of which takes its time, and what they did. */
function withReleases(scope: Scope): string[] {
  const log: string[] = []
  for (const name of ['first', 'last']) {
    scope.defer(async ({ status }) => {
      log.push(`${name} begins: ${status}`)
      await quiet()
      log.push(`${name} ends`)
    })
  }
  return log
}

function inOrder(status: string): string[] {
  return [`last begins: ${status}`, 'last ends', `first begins: ${status}`, 'first ends']
}

function onAbort(signal: AbortSignal, listener: () => unknown): void {
  signal.addEventListener('abort', () => void listener(), { once: true })
}

const listeners: Record<string, (scope: Scope) => void> = {
  'its scope': (scope) => onAbort(scope.signal, () => scope.close()),
  'the scope around a child': (scope) => onAbort(scope.child().signal, () => scope.close()),
}

for (const [what, listen] of Object.entries(listeners)) {
  test(`a body fails, and who hears of that closes ${what}`, async (t) => {
    const { app } = setUp(t)
    let log: string[] = []
    const running = app.run(async (scope) => {
      log = withReleases(scope)
      listen(scope)
      await quiet()
      throw B
    })
    assert.equal(await rejection(running), B)
    assert.deepEqual(log, inOrder('failure'))
  })
}

test('a stream fails that alone kept its scope open, and who hears of that closes it', async (t) => {
  const { app } = setUp(t)
  let log: string[] = []
  const stream = await app.run((scope) => {
    log = withReleases(scope)
    onAbort(scope.signal, () => scope.close())
    return scope.stream(failing())
  })
  await stream.next()
  assert.equal(await rejection(stream.next()), B)
  assert.deepEqual(log, inOrder('failure'))
})

async function* failing(): AsyncGenerator<number, void, undefined> {
  yield 1
  throw B
}

for (const waits of [false, true]) {
  const more = waits ? ', and waits for a task,' : ''
  test(`a block fails${more} whose stream alone kept the request open`, async (t) => {
    const { app } = setUp(t)
    const [read, ended] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    let [outer, inner]: string[][] = [[], []]
    let running: Promise<unknown> = Promise.resolve()
    await app.run((request) => {
      outer = withReleases(request)
      running = rejection(
        request.run(async (block) => {
          inner = withReleases(block)
          if (waits) void block.fork(() => ended.promise)
          await block.stream(failing()).next()
          await read.promise
          throw B
        }),
      )
    })
    read.resolve()
    await quiet()
    ended.resolve()
    assert.equal(await running, B)
    assert.deepEqual(inner, inOrder('failure'))
    await within(app.close())
    assert.deepEqual(outer, inOrder('success'))
  })
}

const ends: Record<string, ({ app }: Fixture) => Promise<unknown>> = {
  'that it drains': async ({ app }) => {
    onAbort(app.draining, () => app.close())
    await app.close()
  },
  'of the abort of a request': async ({ app }) => {
    const running = app.run((request) => {
      onAbort(request.signal, () => app.close())
      return untilAborted(request.signal)
    })
    await Promise.all([app.close(), rejection(running)])
  },
}

for (const [what, close] of Object.entries(ends)) {
  test(`an app closes, and who hears ${what} closes it`, async (t) => {
    const fixture = setUp(t)
    const log = withReleases(fixture.app)
    await within(close(fixture))
    assert.deepEqual(log, inOrder('success'))
  })
}

test('an app shuts down, and who hears of that shuts it down: there is one shutdown', async (t) => {
  const { app } = setUp(t)
  const log = withReleases(app)
  let again: Promise<ShutdownReport> | undefined
  onAbort(app.draining, () => {
    again = app.shutdown()
  })
  const shutdown = app.shutdown()
  assert.equal(again, shutdown)
  assert.deepEqual((await within(shutdown)).errors, [])
  assert.deepEqual(log, inOrder('success'))
})

test('an app that is closed by whoever hears of its shutdown is no lame duck', async (t) => {
  const { app } = setUp(t)
  onAbort(app.draining, () => app.close())
  const report = await within(app.shutdown({ lameDuck: 600_000 }))
  assert.deepEqual(report.errors, [])
})

test('an app that ends with the body that it was made for is no lame duck any more', async () => {
  const shutdown = await run((scope) => {
    const report = (scope.parent as App).shutdown({ lameDuck: 600_000 })
    return { report }
  })
  const { drained, errors } = await within(shutdown.report)
  assert.deepEqual([drained, errors], [1, []])
})
