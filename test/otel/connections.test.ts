/** The pools of the process by the semantic conventions 1.45, on a real PostgreSQL. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createApp, resource } from 'unwind'
import { metrics } from 'unwind/otel'
import { pgPool, pgResources } from 'unwind/pg'
import { databaseUrl, newPool } from '../pg/support/database.ts'
import { openTelemetry } from './support.ts'

const { hostname, port, pathname } = new URL(databaseUrl())
const name = `${hostname}:${port}${pathname}`
const pool = { 'db.client.connection.pool.name': name }

test('connection metrics have the names, units and attributes of the conventions', async (t) => {
  const sdk = openTelemetry(t)
  await using app = createApp()
  using _metrics = metrics(app, sdk.meter, { connectionMetrics: true })
  const leases = pgPool(newPool({ max: 1 }), { own: true })
  const first = await leases.acquire()
  const waiting = leases.acquire()
  const late = leases.acquire({ signal: AbortSignal.timeout(1) })
  await assert.rejects(late, { name: 'TimeoutError' })
  const used = await sdk.collect()
  await first[Symbol.asyncDispose]()
  await (await waiting)[Symbol.asyncDispose]()
  const idle = await sdk.collect()
  await leases[Symbol.asyncDispose]()

  const units = idle.names
    .filter((metric) => metric.startsWith('db.'))
    .map((metric) => [metric, idle.find(metric).descriptor.unit])
  assert.deepEqual(units, [
    ['db.client.connection.count', '{connection}'],
    ['db.client.connection.create_time', 's'],
    ['db.client.connection.limit', '{connection}'],
    ['db.client.connection.pending_requests', '{request}'],
    ['db.client.connection.timeouts', '{timeout}'],
    ['db.client.connection.use_time', 's'],
    ['db.client.connection.wait_time', 's'],
  ])
  const count = (from: typeof idle, state: string): number | undefined =>
    from.sum('db.client.connection.count', { ...pool, 'db.client.connection.state': state })
  assert.deepEqual([count(used, 'used'), count(used, 'idle')], [1, 0])
  assert.deepEqual([count(idle, 'used'), count(idle, 'idle')], [0, 1])
  assert.equal(used.sum('db.client.connection.pending_requests', pool), 1)
  assert.equal(idle.sum('db.client.connection.pending_requests', pool), 0)
  assert.equal(idle.sum('db.client.connection.limit', pool), 1)
  assert.equal(idle.sum('db.client.connection.timeouts', pool), 1)
  assert.equal(idle.histogram('db.client.connection.wait_time', pool)?.count, 2)
  assert.equal(idle.histogram('db.client.connection.use_time', pool)?.count, 2)
  assert.equal(idle.histogram('db.client.connection.create_time', pool)?.count, 1)
  assert.deepEqual(
    (await sdk.collect())
      .find('db.client.connection.count')
      .dataPoints.filter(({ value }) => value !== 0),
    [],
  )
})

test('what a scope lends is counted once', async (t) => {
  const sdk = openTelemetry(t)
  await using app = createApp()
  using _metrics = metrics(app, sdk.meter, { connectionMetrics: true })
  const db = pgResources(() => newPool({ max: 1 }))
  await app.run(async (scope) => {
    const connection = await scope.get(db.connection)
    await connection.query('select 1')
    const held = await sdk.collect()
    assert.equal(held.sum('unwind.lease.held', { 'unwind.resource.name': 'pg.connection' }), 1)
    assert.equal(held.sum('unwind.lease.held', { 'unwind.resource.name': 'pg.lease' }), undefined)
  })
  const { count } = (await sdk.collect()).histogram('db.client.connection.use_time', pool) ?? {}
  assert.equal(count, 1)
})

test('two pools of one name are added up', async (t) => {
  const sdk = openTelemetry(t)
  await using app = createApp()
  using _metrics = metrics(app, sdk.meter, { connectionMetrics: true })
  await using one = pgPool(newPool({ max: 2 }), { own: true })
  await using _other = pgPool(newPool({ max: 3 }), { own: true })
  await using _lease = await one.acquire()
  const both = await sdk.collect()
  const used = { ...pool, 'db.client.connection.state': 'used' }
  assert.equal(both.sum('db.client.connection.count', used), 1)
  assert.equal(both.sum('db.client.connection.limit', pool), 5)
})

test('a wait that ends with the acquireTimeout of a resource is counted as a timeout', async (t) => {
  const sdk = openTelemetry(t)
  await using app = createApp()
  using _metrics = metrics(app, sdk.meter, { connectionMetrics: true })
  await using leases = pgPool(newPool({ max: 1 }), { own: true })
  await using _lease = await leases.acquire()
  const report = resource({
    name: 'report',
    acquireTimeout: 1,
    acquire: ({ signal }) => leases.acquire({ signal }),
    release: (lease) => lease[Symbol.asyncDispose](),
  })
  await assert.rejects(
    app.run((scope) => scope.get(report)),
    { code: 'ERR_ACQUIRE_TIMEOUT' },
  )
  const collected = await sdk.collect()
  assert.equal(collected.sum('db.client.connection.timeouts', pool), 1)
})
