/**
 * What does it cost to take something from a pool and to give it back, where there is no database behind it?
 * Baseline: pg-pool over a client that does nothing.
 */
import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { createPool } from 'generic-pool'
import { createPool as createLightning } from 'lightning-pool'
import { Pool } from 'pg'
import { Pool as Tarn } from 'tarn'
import { pgPool } from 'unwind/pg'
import type { Suite } from '../harness.ts'
import { Connection } from '../support/connection.ts'

/** As much of a client as a pool needs. */
class IdleClient extends EventEmitter {
  readonly connection = new EventEmitter()
  readonly _queryable = true
  readonly _ending = false

  connect(callback: (error?: Error) => void): void {
    callback()
  }

  end(callback?: () => void): void {
    this.emit('end')
    callback?.()
  }

  getTransactionStatus(): 'I' {
    return 'I'
  }

  ref(): void {}
  unref(): void {}
}

const factory = {
  create: async (): Promise<Connection> => new Connection(),
  destroy: async (): Promise<void> => {},
}
const pool = stubPool()
const lent = stubPool()
const leases = pgPool(lent)
const generic = createPool(factory, { max: 4, min: 0 })
const tarn = new Tarn<Connection>({ ...factory, min: 0, max: 4 })
const lightning = createLightning<Connection>(factory, { max: 4, min: 0 })
lightning.start()

export function open(): Suite {
  return {
    question: 'What does it cost to take something from a pool and to give it back?',
    baseline: { name: 'pg-pool: connect, release', operation: throughPool, check: answered },
    cases: [
      { name: 'unwind/pg: acquire, dispose', operation: throughLease, check: answered },
      { name: 'generic-pool: acquire, release', operation: throughGeneric, check: answered },
      { name: 'tarn: acquire, release', operation: throughTarn, check: answered },
      { name: 'lightning-pool: acquire, release', operation: throughLightning, check: answered },
    ],
    async [Symbol.asyncDispose]() {
      await leases[Symbol.asyncDispose]()
      await Promise.all([pool.end(), lent.end(), tarn.destroy(), generic.drain()])
      await generic.clear()
      lightning.close(true)
    },
  }
}

/** What a pool holds stays open: whether it is given back shows in the next one that is taken. */
function answered(result: unknown): void {
  assert.equal(result, 42)
  assert.deepEqual(leases.stats().leased, 0)
}

function stubPool(): Pool {
  // What a pool needs of its clients is less than the types say.
  return new Pool({ max: 4, Client: IdleClient } as never)
}

async function throughPool(): Promise<number> {
  const client = await pool.connect()
  try {
    return 42
  } finally {
    client.release()
  }
}

async function throughLease(): Promise<number> {
  const lease = await leases.acquire()
  try {
    return 42
  } finally {
    await lease[Symbol.asyncDispose]()
  }
}

async function throughGeneric(): Promise<number> {
  const connection = await generic.acquire()
  try {
    return 42
  } finally {
    await generic.release(connection)
  }
}

async function throughTarn(): Promise<number> {
  const connection = await tarn.acquire().promise
  try {
    return 42
  } finally {
    tarn.release(connection)
  }
}

async function throughLightning(): Promise<number> {
  const connection = await lightning.acquire()
  try {
    return 42
  } finally {
    await lightning.releaseAsync(connection)
  }
}
