/**
 * The pools of the process, by the semantic conventions of OpenTelemetry 1.45:
 * https://opentelemetry.io/docs/specs/semconv/database/database-metrics/#connection-pools
 */
import { openPools } from '../core/watching/pools.ts'
import type { Instruments } from './instruments.ts'
import type { Attributes } from './meter.ts'

const poolName = 'db.client.connection.pool.name'
const state = 'db.client.connection.state'

export function observeConnections(instruments: Instruments): void {
  observeCounts(instruments)
  observeTimes(instruments)
}

function observeCounts(instruments: Instruments): void {
  instruments.observe(
    'db.client.connection.count',
    '{connection}',
    'The number of connections that are currently in the state described by the attribute.',
    (result) => {
      for (const pool of openPools()) {
        const { idle, leased } = pool.stats()
        result.observe(idle, { ...named(pool.poolName), [state]: 'idle' })
        result.observe(leased, { ...named(pool.poolName), [state]: 'used' })
      }
    },
  )
  instruments.observe(
    'db.client.connection.limit',
    '{connection}',
    'The maximum number of open connections allowed.',
    (result) => {
      for (const { poolName: name, limit } of openPools()) {
        if (limit !== undefined) result.observe(limit, named(name))
      }
    },
  )
  instruments.observe(
    'db.client.connection.pending_requests',
    '{request}',
    'The number of current pending requests for an open connection.',
    (result) => {
      for (const pool of openPools()) result.observe(pool.stats().waiting, named(pool.poolName))
    },
  )
}

function observeTimes(instruments: Instruments): void {
  const timeouts = instruments.counter(
    'db.client.connection.timeouts',
    '{timeout}',
    'The number of connection timeouts that have occurred trying to obtain a connection from the pool.',
  )
  const waits = instruments.histogram(
    'db.client.connection.wait_time',
    'The time it took to obtain an open connection from the pool.',
  )
  const creations = instruments.histogram(
    'db.client.connection.create_time',
    'The time it took to create a new connection.',
  )
  const uses = instruments.histogram(
    'db.client.connection.use_time',
    'The time between borrowing a connection and returning it to the pool.',
  )
  instruments.on('unwind:resource:timeout', ({ pool, phase }) => {
    if (pool !== undefined && phase === 'acquire') timeouts.add(1, named(pool))
  })
  instruments.on('unwind:resource:acquired', ({ pool, waitMs, opened }) => {
    if (pool === undefined) return
    waits.record(waitMs / 1_000, named(pool))
    if (opened === true) creations.record(waitMs / 1_000, named(pool))
  })
  instruments.on('unwind:resource:released', ({ pool, heldMs }) => {
    if (pool !== undefined) uses.record(heldMs / 1_000, named(pool))
  })
}

function named(pool: string): Attributes {
  return { [poolName]: pool }
}
