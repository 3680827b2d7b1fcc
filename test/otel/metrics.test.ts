/** The instruments of `unwind/otel`, as the real SDK of OpenTelemetry sees them. */
import assert from 'node:assert/strict'
import { hasSubscribers } from 'node:diagnostics_channel'
import { describe, test, type TestContext } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { createApp, detectLeaks, hold, resource, type App } from 'unwind'
import { metrics } from 'unwind/otel'
import { openTelemetry, type Sdk } from './support.ts'

const connection = resource({ name: 'connection', acquire: async () => ({}), release: () => {} })

function open(t: TestContext): { app: App; sdk: Sdk } {
  const sdk = openTelemetry(t)
  const app = createApp({ onError: () => {} })
  const registered = metrics(app, sdk.meter)
  t.after(async () => {
    registered[Symbol.dispose]()
    await app.close()
  })
  return { app, sdk }
}

const ofConnection = { 'unwind.resource.name': 'connection' }

describe('metrics', () => {
  test('have these names and units', async (t) => {
    const { app, sdk } = open(t)
    const slow = resource({ name: 'slow', acquireTimeout: 0, acquire: () => new Promise(() => {}) })
    await app.run(async (scope) => {
      await scope.get(connection)
      await scope.get(slow).catch(() => {})
      await scope.run(async (inner) => {
        await inner.get(connection)
      })
      const [held] = await scope.run(() => [hold({}, () => {}, { name: 'left' })])
      await held?.[Symbol.asyncDispose]()
    })
    const scope = app.child()
    await scope.get(connection)
    const collected = await sdk.collect()
    const units = collected.names.map((name) => [name, collected.find(name).descriptor.unit])
    assert.deepEqual(units, [
      ['unwind.leaks', '{leak}'],
      ['unwind.lease.held', '{lease}'],
      ['unwind.resource.timeouts', '{timeout}'],
      ['unwind.resource.use_time', 's'],
      ['unwind.resource.wait_time', 's'],
      ['unwind.scope.duration', 's'],
      ['unwind.scope.open', '{scope}'],
    ])
    for (const name of collected.names)
      assert.notEqual(collected.find(name).descriptor.description, '')
  })

  test('count the scopes that are open and what they hold', async (t) => {
    const { app, sdk } = open(t)
    const request = app.child()
    const block = request.child()
    await request.get(connection)
    await app.child().get(connection)
    request.use({ [Symbol.dispose]() {} })
    await using _held = hold({}, () => {}, { name: 'redis' })
    const collected = await sdk.collect()
    assert.equal(collected.sum('unwind.scope.open', { 'unwind.scope.kind': 'request' }), 2)
    assert.equal(collected.sum('unwind.scope.open', { 'unwind.scope.kind': 'scope' }), 1)
    assert.equal(collected.sum('unwind.lease.held', ofConnection), 2)
    assert.equal(collected.sum('unwind.lease.held', { 'unwind.resource.name': 'redis' }), 1)
    await block.close()
    await request.close()
    const later = await sdk.collect()
    assert.equal(later.sum('unwind.scope.open', { 'unwind.scope.kind': 'request' }), 1)
    assert.equal(later.sum('unwind.lease.held', ofConnection), 1)
  })

  test('fall to zero where nothing is left', async (t) => {
    const { app, sdk } = open(t)
    const scope = app.child()
    await scope.get(connection)
    await sdk.collect()
    await scope.close()
    const collected = await sdk.collect()
    assert.equal(collected.sum('unwind.scope.open', { 'unwind.scope.kind': 'request' }), 0)
    assert.equal(collected.sum('unwind.lease.held', ofConnection), 0)
  })

  test('record how long was waited, held and open, in seconds', async (t) => {
    const { app, sdk } = open(t)
    for (let i = 0; i < 3; i += 1) await app.run((scope) => scope.get(connection))
    await app.run(() => Promise.reject(new Error('B'))).catch(() => {})
    const collected = await sdk.collect()
    for (const name of ['unwind.resource.wait_time', 'unwind.resource.use_time']) {
      const histogram = collected.histogram(name, ofConnection)
      assert.equal(histogram?.count, 3, name)
      assert.ok(histogram.sum !== undefined && histogram.sum >= 0 && histogram.sum < 60, name)
    }
    const durations = (outcome: string) =>
      collected.histogram('unwind.scope.duration', {
        'unwind.scope.kind': 'request',
        'unwind.scope.outcome': outcome,
      })
    assert.equal(durations('success')?.count, 3)
    assert.equal(durations('failure')?.count, 1)
  })

  test('count what took too long, by phase', async (t) => {
    const { app, sdk } = open(t)
    const slow = resource({ name: 'slow', acquireTimeout: 0, acquire: () => new Promise(() => {}) })
    const stuck = resource({
      name: 'stuck',
      disposeTimeout: 0,
      acquire: () => 1,
      release: () => new Promise(() => {}),
    })
    const scope = app.child()
    await scope.get(slow).catch(() => {})
    await scope.get(stuck)
    await scope.close().catch(() => {})
    const collected = await sdk.collect()
    const count = (name: string, phase: string): number | undefined =>
      collected.sum('unwind.resource.timeouts', {
        'unwind.resource.name': name,
        'unwind.phase': phase,
      })
    assert.equal(count('slow', 'acquire'), 1)
    assert.equal(count('stuck', 'release'), 1)
  })

  test('count every leak, and not only the first one of its place', async (t) => {
    const { app, sdk } = open(t)
    using _detection = detectLeaks({ level: 'full' })
    for (let i = 0; i < 3; i += 1) {
      const [held] = await app.run(() => [hold({}, () => {}, { name: 'redis of metrics' })])
      await held?.[Symbol.asyncDispose]()
    }
    const collected = await sdk.collect()
    const attributes = {
      'unwind.resource.name': 'redis of metrics',
      'unwind.leak.reason': 'scope',
    }
    assert.equal(collected.sum('unwind.leaks', attributes), 3)
  })

  test('look at one app, where there are two', async (t) => {
    const { sdk } = open(t)
    await using other = createApp()
    other.child()
    await other.run(() => {})
    const collected = await sdk.collect()
    assert.deepEqual(
      collected.names.filter((name) => name.startsWith('unwind.scope')),
      [],
    )
  })

  test('end when they are disposed', async (t) => {
    const sdk = openTelemetry(t)
    await using app = createApp()
    const registered = metrics(app, sdk.meter)
    registered[Symbol.dispose]()
    registered[Symbol.dispose]()
    await app.run((scope) => scope.get(connection))
    app.child()
    assert.deepEqual((await sdk.collect()).names, [])
  })

  test('are zero once they are disposed, and read nothing any more', async (t) => {
    const sdk = openTelemetry(t)
    await using app = createApp()
    const registered = metrics(app, sdk.meter)
    app.child()
    const open = async (): Promise<unknown> =>
      (await sdk.collect()).sum('unwind.scope.open', { 'unwind.scope.kind': 'request' })
    assert.equal(await open(), 1)
    registered[Symbol.dispose]()
    app.child()
    assert.deepEqual([await open(), await open()], [0, 0])
  })

  test('say nothing of pools unless they are asked to', async (t) => {
    const { sdk } = open(t)
    const { names } = await sdk.collect()
    assert.deepEqual(
      names.filter((name) => name.startsWith('db.')),
      [],
    )
  })

  test('leave nothing behind on a meter that refuses one of them', async (t) => {
    const { meter } = openTelemetry(t)
    await using app = createApp()
    const refusal = new Error('no counters')
    const createCounter = (): never => {
      throw refusal
    }
    const refusing: unknown = Object.create(meter, { createCounter: { value: createCounter } })
    assert.throws(() => metrics(app, refusing as object), refusal)
    assert.equal(hasSubscribers('unwind:scope:closed'), false)
  })

  test('say once that a meter fails to record, and end no process', async (t) => {
    const { meter } = openTelemetry(t)
    await using app = createApp()
    const refusal = new Error('not recorded')
    const createHistogram = (): object => ({
      record() {
        throw refusal
      },
    })
    const failing: unknown = Object.create(meter, { createHistogram: { value: createHistogram } })
    using _registered = metrics(app, failing as object)
    const warnings: Error[] = []
    const onWarning = (warning: Error): void => void warnings.push(warning)
    process.on('warning', onWarning)
    for (let i = 0; i < 3; i += 1) await app.run(() => {})
    // Warnings come in the next tick, and what a subscriber throws too.
    await turn()
    process.off('warning', onWarning)
    assert.match(warnings.join(), /"unwind:scope:closed" failed .*not recorded/)
    assert.equal(warnings.length, 1)
  })

  test('want an app, a meter and known options', async (t) => {
    const { app, sdk } = open(t)
    // What a program without types could pass.
    const register = metrics as (...parameters: unknown[]) => Disposable
    assert.throws(
      () => register(undefined, sdk.meter),
      /first argument of metrics\(\) to be an app/,
    )
    assert.throws(() => register(app.child(), sdk.meter), /an app, made by createApp\(\)/)
    assert.throws(() => register(app, {}), /a Meter of OpenTelemetry/)
    assert.throws(() => register(app, undefined), /a Meter of OpenTelemetry/)
    assert.throws(
      () => register(app, sdk.meter, { connections: true }),
      /Unknown option `connections`/,
    )
  })
})
