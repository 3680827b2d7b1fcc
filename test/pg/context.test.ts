/** The async context of a request: its connection neither keeps it nor shows it to another. */
import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import { test } from 'node:test'
import type pg from 'pg'
import { createApp } from 'unwind'
import { pgPool, pgResources, type PgPool } from 'unwind/pg'

import { collect } from '../support/collect.ts'
import { backendOf, newPool, Observer } from './support/database.ts'

interface Store {
  readonly request: string
}

const storage = new AsyncLocalStorage<Store>()

/** What a request may do with a connection, each in a way that the pool goes on with afterwards. */
const requests: Record<string, (pool: PgPool) => Promise<unknown>> = {
  'opens the connection': (pool) => pool.query('select 1'),
  'releases an open transaction': async (pool) => {
    await using lease = await pool.acquire()
    await lease.begin()
  },
  'changes settings': (pool) => pool.query("set statement_timeout = '7s'"),
  'fails in a transaction': (pool) =>
    assert.rejects(pool.transaction((tx) => tx.query('select 1/0'))),
  'runs a transaction': (pool) => pool.transaction((tx) => tx.query('select 1')),
  'has a statement cancelled': (pool) =>
    assert.rejects(pool.query('select pg_sleep(60)', [], { signal: AbortSignal.timeout(10) })),
  'leaves a statement running': async (pool) => {
    await using lease = await pool.acquire()
    void lease.query('select pg_sleep(60)')
  },
  'gives up waiting': async (pool) => {
    await using _lease = await pool.acquire()
    await assert.rejects(pool.acquire({ signal: AbortSignal.timeout(10) }))
  },
  'waits for its turn': async (pool) => {
    const lease = await pool.acquire()
    const next = pool.acquire()
    await lease[Symbol.asyncDispose]()
    await (await next)[Symbol.asyncDispose]()
  },
}

for (const [does, request] of Object.entries(requests)) {
  test(`a request that ${does} is not kept alive by its connection`, async () => {
    await using pool = pgPool(() => newPool(), { grace: 60_000 })
    const store = await serve(pool, request)
    await untilCollected(store)
    assert.equal(pool.stats().total, 1, 'the connection is still open')
    assert.ok(await backendOf(pool))
  })
}

test('a request that is the first to lease a connection, which others opened, is not kept alive by it', async () => {
  const raw = newPool()
  await raw.query('select 1')
  await using pool = pgPool(raw, { own: true })
  const store = await serve(pool, () => pool.query('select 1'))
  await untilCollected(store)
  assert.equal(pool.stats().total, 1, 'the connection is still open')
})

test("the driver's own pool keeps the request that opened a connection: the test can fail", async () => {
  const raw = newPool()
  const store = await storage.run({ request: 'the one' }, async () => {
    await raw.query('select 1')
    return watch(storage.getStore() as Store)
  })
  await assert.rejects(untilCollected(store, 10), /still kept/)
  await raw.end()
})

test('a pool that a request was the first to need does not keep that request alive', async () => {
  const app = createApp()
  const resources = pgResources(() => newPool())
  const store = await storage.run({ request: 'the first' }, async () => {
    await app.run(async (scope) => {
      await (await scope.get(resources.transaction)).query('select 1')
    })
    return watch(storage.getStore() as Store)
  })
  await untilCollected(store)
  await app.run(async (scope) => {
    assert.equal((await scope.get(resources.pool)).stats().total, 1)
  })
  await app.close()
})

test('what a connection calls back sees no request, neither the first one nor the one that asked', async () => {
  await using observer = await Observer.start()
  const seen: string[] = []
  const see = (event: string) => (): void => {
    seen.push(`${event}: ${storage.getStore()?.request ?? 'nobody'}`)
  }
  const raw = newPool()
  raw.on('connect', see('connect'))
  raw.on('release', see('release'))
  await using pool = pgPool(() => raw)
  await storage.run({ request: 'first' }, async () => {
    await using lease = await pool.acquire()
    const client = lease.unsafeClient() as pg.ClientBase
    client.on('notice', see('notice'))
    client.on('notification', see('notification'))
    client.on('drain', see('drain'))
    await lease.query('select 1')
  })
  await storage.run({ request: 'second' }, async () => {
    await using lease = await pool.acquire()
    await lease.query("do $$ begin raise notice 'hear'; end $$")
    await lease.query('listen hear')
    await observer.query('notify hear')
    await lease.query('select 1')
  })
  assert.deepEqual(
    new Set(seen),
    new Set(
      ['connect', 'release', 'drain', 'notice', 'notification'].map((event) => `${event}: nobody`),
    ),
  )
})

/** Calls of `connect`, by the request that each is seen in, as what traces a program sees it. */
function traced(raw: pg.Pool): string[] {
  const seen: string[] = []
  const { connect } = raw
  raw.connect = ((callback) => {
    seen.push(storage.getStore()?.request ?? 'nobody')
    return connect.call(raw, callback)
  }) as typeof connect
  return seen
}

test('the wait for a connection is seen in the request that waits, whether one is opened or not', async () => {
  const raw = newPool({ max: 1 })
  const seen = traced(raw)
  await using pool = pgPool(() => raw)
  await Promise.all(
    ['opens', 'waits'].map((request) => storage.run({ request }, () => pool.query('select 1'))),
  )
  await storage.run({ request: 'takes' }, () => pool.query('select 1'))
  assert.deepEqual(seen, ['opens', 'waits', 'takes'])
})

test('a connection that is opened for one request, because another made room for it, is of neither', async () => {
  const raw = newPool({ max: 1 })
  const seen: string[] = []
  raw.on('connect', () => seen.push(storage.getStore()?.request ?? 'nobody'))
  await using pool = pgPool(() => raw)
  const breaks = storage.run({ request: 'breaks' }, async () => {
    await using lease = await pool.acquire()
    await assert.rejects(lease.query('select pg_terminate_backend(pg_backend_pid())'))
  })
  const next = storage.run({ request: 'waits' }, () => pool.query('select 1'))
  await breaks
  await next
  assert.deepEqual(seen, ['nobody', 'nobody'])
})

test('what a request awaits goes on in its own context', async () => {
  await using pool = pgPool(() => newPool(), { grace: 60_000 })
  await pool.query('select 1')
  await Promise.all(
    ['one', 'two', 'three'].map((request) =>
      storage.run({ request }, async () => {
        const name = (): string | undefined => storage.getStore()?.request
        await using lease = await pool.acquire()
        assert.equal(name(), request)
        await lease.query('select 1')
        assert.equal(name(), request)
        await using tx = await lease.begin()
        assert.equal(name(), request)
        await assert.rejects(
          tx.query('select pg_sleep(60)', [], { signal: AbortSignal.timeout(5) }),
        )
        assert.equal(name(), request)
        await tx.rollback()
        await using next = await lease.begin()
        const told: unknown[] = []
        next.afterCommit(() => told.push(name()))
        await next.commit()
        assert.deepEqual(told, [request])
      }),
    ),
  )
})

/** In a function of its own, so that nothing of it stands on the stack of the test. */
async function serve(pool: PgPool, request: (pool: PgPool) => Promise<unknown>): Promise<Watched> {
  return await storage.run({ request: 'the one' }, async () => {
    await request(pool)
    return watch(storage.getStore() as Store)
  })
}

interface Watched {
  collected: boolean
}

const watched = new FinalizationRegistry<Watched>((one) => {
  one.collected = true
})

/** Not a WeakRef: each look into one keeps what it refers to for a while. */
function watch(store: Store): Watched {
  const one = { collected: false }
  watched.register(store, one)
  return one
}

async function untilCollected(store: Watched, attempts = 50): Promise<void> {
  for (let attempt = 0; attempt < attempts; attempt += 1) {
    await new Promise(setImmediate)
    collect()
    // The registry is told in a task of its own.
    await new Promise(setImmediate)
    if (store.collected) return
  }
  assert.fail('The context of the request is still kept.')
}
