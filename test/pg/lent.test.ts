/** Lent and owned: what a scope lends cannot be disposed, what somebody acquires has to be, and both can be seen. */
import assert from 'node:assert/strict'
import { subscribe, tracingChannel, unsubscribe } from 'node:diagnostics_channel'
import { describe, test, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import {
  createApp,
  detectLeaks,
  override,
  value,
  type Channels,
  type LeakReport,
  type Scope,
} from 'unwind'
import { pgPool, pgResources, type PgPool, type PgResources } from 'unwind/pg'
import { databaseUrl, newPool } from './support/database.ts'

interface Setting {
  readonly scope: Scope
  readonly db: PgResources
  readonly leaks: LeakReport[]
}

function setUp(t: TestContext): Setting {
  const leaks: LeakReport[] = []
  const detection = detectLeaks({ level: 'full', onLeak: (leak) => leaks.push(leak) })
  const app = createApp({ name: 'shop' })
  const scope = app.child({ name: 'orders' })
  t.after(async () => {
    await app.close()
    detection[Symbol.dispose]()
  })
  return { scope, db: pgResources(() => newPool({ max: 2 })), leaks }
}

/** What a program without types could do. */
async function dispose(lent: object): Promise<void> {
  await (lent as AsyncDisposable)[Symbol.asyncDispose]()
}

describe('what a scope lends', () => {
  for (const [name, lender] of [
    ['pool', /The PostgreSQL pool is lent by the scope "shop" \(app /],
    ['connection', /The PostgreSQL connection is lent by the scope "orders" \(request /],
    ['transaction', /is lent by the scope "orders" \(request /],
  ] as const) {
    test(`cannot be disposed: the ${name} says who releases it, and goes on`, async (t) => {
      const { scope, db } = setUp(t)
      const lent = await scope.get<{ query(text: string): Promise<unknown> }>(db[name])
      await assert.rejects(dispose(lent), { name: 'TypeError', message: lender })
      await lent.query('select 1')
      await scope.close()
    })
  }

  test('has no release() and no end(), by which a program without types would take it from all others', async (t) => {
    const { scope, db } = setUp(t)
    for (const name of ['pool', 'connection', 'transaction'] as const) {
      const lent = await scope.get<object>(db[name])
      for (const verb of ['release', 'end']) assert.ok(!(verb in lent), `${name}.${verb}()`)
    }
  })

  test('is no leak, whether it was used or not', async (t) => {
    const { scope, db, leaks } = setUp(t)
    await scope.get(db.transaction)
    await scope.run((inner) => inner.get(db.connection))
    scope.complete()
    await scope.close()
    assert.deepEqual(leaks, [])
  })

  test('shows what it is doing, where it was acquired and since when', async (t) => {
    const { scope, db } = setUp(t)
    const states = (): (string | undefined)[] =>
      scope.inspect().resources.map(({ activity }) => activity?.state)
    const connection = await scope.get(db.connection)
    assert.deepEqual(states(), ['idle'])
    const running = connection.query('select pg_sleep(0.05)')
    assert.deepEqual(states(), ['running'])
    await running
    await using tx = await connection.begin()
    assert.deepEqual(states(), ['idle in transaction'])
    await assert.rejects(tx.query('select from nowhere'))
    // The server's status follows its error.
    for (let ms = 0; states()[0] === 'running' && ms < 30_000; ms += 1) await pause(1)
    assert.deepEqual(states(), ['failed transaction'])
    assert.match(scope.inspect().resources[0]?.stack ?? '', /lent\.test\.[jt]s/)
  })
})

describe('what somebody acquires', () => {
  test('is disposed by its owner', async (t) => {
    const { leaks } = setUp(t)
    await using pool = pgPool(() => newPool())
    {
      await using lease = await pool.acquire()
      await using tx = await lease.begin()
      await tx.commit()
    }
    assert.deepEqual(leaks, [])
  })

  test('is a leak where its scope closes and nobody has disposed it', async (t) => {
    const { scope, leaks } = setUp(t)
    await using pool = pgPool(() => newPool())
    const lease = await scope.run({ name: 'report' }, async function makeReport() {
      return { left: await pool.acquire() }
    })
    const [leak, ...more] = leaks
    assert.deepEqual(more, [])
    assert.equal(leak?.reason, 'scope')
    assert.equal(leak.resource, 'pg.lease')
    assert.equal(leak.scope, 'report')
    assert.match(leak.site, /^at (?:\w+\.)?makeReport \(.*lent\.test\.[jt]s/)
    await lease.left[Symbol.asyncDispose]()
  })

  test('a transaction that nobody ended is one too, on a connection of one’s own', async (t) => {
    const { scope, leaks } = setUp(t)
    await using pool = pgPool(() => newPool())
    await using lease = await pool.acquire()
    await scope.run(async () => void (await lease.begin()))
    assert.deepEqual(
      leaks.map(({ reason, resource }) => [reason, resource]),
      [['scope', 'pg.transaction']],
    )
  })

  test('may be handed to a scope, which disposes it', async (t) => {
    const { scope, leaks } = setUp(t)
    await using pool = pgPool(() => newPool({ max: 1 }))
    await scope.run(async (inner) => void inner.use(await pool.acquire()))
    assert.equal(pool.stats().leased, 0)
    assert.deepEqual(leaks, [])
  })

  test('a call that gives up leaves nothing behind', async (t) => {
    const { scope, leaks } = setUp(t)
    await using pool = pgPool(() => newPool({ max: 1 }))
    await scope.run(async () => {
      await using _lease = await pool.acquire()
      await assert.rejects(pool.acquire({ signal: AbortSignal.timeout(1) }), {
        name: 'TimeoutError',
      })
      await assert.rejects(pool.acquire({ signal: AbortSignal.abort() }), { name: 'AbortError' })
    })
    assert.deepEqual(leaks, [])
  })
})

test('leases are published with the name of their pool, and no event has a parameter or a secret', async (t) => {
  const { scope, db } = setUp(t)
  const published: unknown[] = []
  const leases: Channels['unwind:resource:released'][] = []
  const names = ['acquired', 'released', 'timeout', 'leaked'].map(
    (name) => `unwind:resource:${name}`,
  )
  const listener = (message: unknown, name: string | symbol): void => {
    published.push(message)
    // What is published on this channel has this type.
    if (name === 'unwind:resource:released') leases.push(message as (typeof leases)[number])
  }
  for (const name of names) subscribe(name, listener)
  t.after(() => {
    for (const name of names) unsubscribe(name, listener)
  })
  const connection = await scope.get(db.connection)
  await connection.query('select $1::text', ['a secret parameter'])
  await scope.close()
  const { hostname, port, pathname, password } = new URL(databaseUrl())
  const lease = leases.find(({ resource }) => resource === 'pg.lease')
  assert.equal(lease?.pool, `${hostname}:${port}${pathname}`)
  assert.equal(lease.opened, true)
  const text = JSON.stringify(published)
  assert.doesNotMatch(text, /a secret parameter|postgres(?:ql)?:\/\//)
  if (password !== '') assert.ok(!text.includes(password))
})

test('a lease is traced with the name of its pool, and so is a wait that fails', async (t) => {
  const { scope } = setUp(t)
  await using pool = pgPool(() => newPool({ max: 1 }))
  const { start, error } = tracingChannel('unwind:acquire')
  const traced: unknown[] = []
  // A copy: what came of it is written into the message.
  const begin = (message: unknown): unknown => traced.push(Object.assign({}, message))
  const fail = (message: unknown): unknown => traced.push(message)
  start.subscribe(begin)
  error.subscribe(fail)
  t.after(() => {
    start.unsubscribe(begin)
    error.unsubscribe(fail)
  })
  await scope.enter(async () => {
    await using _lease = await pool.acquire()
    await assert.rejects(pool.acquire({ signal: AbortSignal.timeout(1) }), { name: 'TimeoutError' })
  })
  const { id, name, kind } = scope
  const { host, pathname } = new URL(databaseUrl())
  const message = {
    resource: 'pg.lease',
    lifetime: 'owned',
    scope: { id, name, kind },
    pool: host + pathname,
  }
  assert.deepEqual(traced.slice(0, 2), [message, message])
  // An error is told with what it is the error of.
  const [failed, ...more] = traced.slice(2) as { error: Error }[]
  assert.equal(failed?.error.name, 'TimeoutError')
  assert.deepEqual(more, [])
})

test('a lease that was released before a scope could lend it is not held, and its end is not counted twice', async (t) => {
  const { scope, db, leaks } = setUp(t)
  await using pool = pgPool(() => newPool({ max: 2 }))
  await using _other = await pool.acquire()
  const early: Pick<PgPool, 'acquire'> = {
    async acquire() {
      const lease = await pool.acquire()
      await lease[Symbol.asyncDispose]()
      return lease
    },
  }
  // Of a pool, the resource of its connections uses no more.
  const overrides = [override(db.pool, value(early as PgPool))]
  await scope.run({ overrides, kind: 'request' }, async (request) => {
    const lease = await request.get(db.connection)
    await assert.rejects(lease.query('select 1'), { code: 'ERR_DISPOSED' })
  })
  assert.equal(pool.stats().leased, 1)
  assert.deepEqual(leaks, [])
})
