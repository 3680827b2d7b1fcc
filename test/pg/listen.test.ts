/** LISTEN: a connection beside the pool's, replaced where it breaks, and a gap where something may have been missed. */
import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { queryObjects } from 'node:v8'
import pg from 'pg'
import { pgPool, type PgNotification, type PgSubscription } from 'unwind/pg'

import { deferred, newPool, Observer, until } from './support/database.ts'
import { Wire } from './support/proxy.ts'

let channels = 0

function newChannel(): string {
  channels += 1
  return `Channel ${process.pid} "${channels}"`
}

/** Leaves the loop, and the subscription open. */
async function take(subscription: PgSubscription, count: number): Promise<PgNotification[]> {
  const taken: PgNotification[] = []
  for await (const notification of subscription) {
    taken.push(notification)
    if (taken.length === count) break
  }
  return taken
}

async function notify(observer: Observer, channel: string, ...payloads: string[]): Promise<void> {
  for (const payload of payloads) {
    await observer.query('select pg_notify($1, $2)', [channel, payload])
  }
}

/** The connections that listen, whatever else they may be. */
async function listeners(observer: Observer, label: string): Promise<number[]> {
  const { rows } = await observer.query(
    "select pid from pg_stat_activity where application_name = $1 and (query like 'LISTEN%' or query = 'SELECT 1')",
    [label],
  )
  return rows.map((row: { pid: number }) => row.pid)
}

async function untilGone(observer: Observer, label: string): Promise<void> {
  for (let attempt = 0; (await listeners(observer, label)).length > 0; attempt += 1) {
    assert.ok(attempt < 500, 'The connection is still open.')
    await pause(10)
  }
}

const gap = { gap: true, dropped: undefined }

test('what is sent to the channel arrives in order, on a connection beside those of the pool', async () => {
  await using observer = await Observer.start()
  await using pool = pgPool(() => newPool({ max: 1 }))
  const channel = newChannel()
  await using lease = await pool.acquire()
  await using subscription = await pool.listen(channel)
  assert.deepEqual(pool.stats(), { total: 1, idle: 0, leased: 1, waiting: 0 })
  await notify(observer, channel, 'a', 'b', '')
  await notify(observer, `${channel}!`, 'for others')
  await lease.query('select pg_notify($1, $2)', [channel, 'c'])
  const taken = await take(subscription, 4)
  assert.deepEqual(taken, [{ payload: 'a' }, { payload: 'b' }, { payload: '' }, { payload: 'c' }])
})

test('a loop that is left goes on where it stopped', async () => {
  await using observer = await Observer.start()
  await using pool = pgPool(() => newPool())
  const channel = newChannel()
  await using subscription = await pool.listen(channel)
  await notify(observer, channel, '1', '2', '3')
  assert.deepEqual(await take(subscription, 1), [{ payload: '1' }])
  assert.deepEqual(await take(subscription, 2), [{ payload: '2' }, { payload: '3' }])
})

test('an iterator that was left is over, and takes nothing from the next one', async () => {
  await using pool = pgPool(() => newPool())
  await using subscription = await pool.listen('news')
  const left = subscription[Symbol.asyncIterator]()
  const next = subscription[Symbol.asyncIterator]()
  const pending = left.next()
  const waiting = next.next()
  assert.deepEqual(await left.return?.(), { done: true, value: undefined })
  assert.deepEqual(await pending, { done: true, value: undefined })
  assert.deepEqual(await left.next(), { done: true, value: undefined })
  await pool.query("notify news, 'one'")
  assert.deepEqual(await waiting, { done: false, value: { payload: 'one' } })
})

for (const [name, end] of Object.entries({
  'its dispose': ({ subscription }) => subscription[Symbol.asyncDispose](),
  'its signal': async ({ controller }) => controller.abort(),
  'the dispose of its pool': ({ pool }) => pool[Symbol.asyncDispose](),
} satisfies Record<string, (all: Ends) => PromiseLike<void>>)) {
  test(`${name} ends a subscription, the loops that wait for it, and its connection`, async () => {
    await using observer = await Observer.start()
    const raw = newPool()
    await using pool = pgPool(() => raw)
    const controller = new AbortController()
    await using subscription = await pool.listen(newChannel(), { signal: controller.signal })
    assert.equal((await listeners(observer, raw.label)).length, 1)
    const waiting = [take(subscription, 1), take(subscription, 1)]
    await new Promise(setImmediate)
    await end({ subscription, controller, pool })
    assert.deepEqual(await Promise.all(waiting), [[], []])
    assert.deepEqual(await take(subscription, 1), [])
    await subscription[Symbol.asyncDispose]()
    await subscription[Symbol.asyncDispose]()
    await untilGone(observer, raw.label)
  })
}

interface Ends {
  readonly subscription: AsyncDisposable
  readonly controller: AbortController
  readonly pool: AsyncDisposable
}

test('a gap is told before what the new connection brings', async () => {
  await using observer = await Observer.start()
  await using wire = await Wire.start()
  const raw = newPool({ connectionString: wire.url })
  await using pool = pgPool(() => raw)
  const channel = newChannel()
  await using subscription = await pool.listen(channel)
  const seen: string[] = []
  wire.holds = ({ type }) => {
    seen.push(type)
    return type === 'C'
  }
  wire.cut()
  await until(() => seen.includes('C'), 'the new connection listens')
  await notify(observer, channel, 'new')
  await until(() => seen.includes('A'), 'the notification is on its way')
  wire.letGo()
  assert.deepEqual(await take(subscription, 2), [gap, { payload: 'new' }])
})

test('a connection that brings something, and breaks before it listens, leaves a gap to the next one', async () => {
  await using observer = await Observer.start()
  const channel = newChannel()
  let clients = 0
  class Client extends pg.Client {
    constructor(config?: pg.ClientConfig) {
      super(config)
      clients += 1
      if (clients !== 2) return
      // A notification may come before the answer to LISTEN is whole: when, only the server decides.
      this.once('connect', () => {
        this.emit('notification', { channel, payload: 'early' })
        this.connection.stream.destroy()
      })
    }
  }
  const raw = newPool({ Client })
  await using pool = pgPool(() => raw)
  await using subscription = await pool.listen(channel)
  const [pid] = await listeners(observer, raw.label)
  assert.ok(pid)
  await observer.terminate(pid)
  await until(() => clients === 3, 'the next one connects')
  await observer.untilSeen(
    "select 1 from pg_stat_activity where application_name = $1 and state = 'idle' and query like 'LISTEN%'",
    [raw.label],
  )
  await notify(observer, channel, 'late')
  assert.deepEqual(await take(subscription, 3), [gap, { payload: 'early' }, gap])
})

test('a backend that is killed is replaced, and a gap says that something may have been missed', async () => {
  await using observer = await Observer.start()
  const raw = newPool()
  await using pool = pgPool(() => raw)
  const channel = newChannel()
  await using subscription = await pool.listen(channel)
  for (const payload of ['one', 'two']) {
    const [pid] = await listeners(observer, raw.label)
    assert.ok(pid)
    await notify(observer, channel, 'before')
    assert.deepEqual(await take(subscription, 1), [{ payload: 'before' }])
    await observer.terminate(pid)
    assert.deepEqual(await take(subscription, 1), [gap])
    // The gap is told once the new connection listens.
    await notify(observer, channel, payload)
    assert.deepEqual(await take(subscription, 1), [{ payload }])
  }
})

test('a server that is away for a while is waited for', async () => {
  await using observer = await Observer.start()
  await using wire = await Wire.start()
  await using pool = pgPool(() => newPool({ connectionString: wire.url }))
  const channel = newChannel()
  await using subscription = await pool.listen(channel)
  wire.refusals = 3
  wire.cut()
  assert.deepEqual(await take(subscription, 1), [gap])
  assert.equal(wire.refusals, 0)
  await notify(observer, channel, 'here again')
  assert.deepEqual(await take(subscription, 1), [{ payload: 'here again' }])
})

test('a network that falls silent is noticed by the heartbeat, and the connection replaced', async () => {
  await using observer = await Observer.start()
  await using wire = await Wire.start()
  await using pool = pgPool(() => newPool({ connectionString: wire.url }))
  const channel = newChannel()
  await using subscription = await pool.listen(channel, { heartbeat: 100 })
  await notify(observer, channel, 'first')
  assert.deepEqual(await take(subscription, 1), [{ payload: 'first' }])
  wire.freeze()
  assert.deepEqual(await take(subscription, 1), [gap])
  await notify(observer, channel, 'second')
  assert.deepEqual(await take(subscription, 1), [{ payload: 'second' }])
})

test('beyond maxQueue the oldest are dropped, a gap in their place says how many, and probes go by unnoticed', async () => {
  await using observer = await Observer.start()
  await using wire = await Wire.start()
  await using pool = pgPool(() => newPool({ connectionString: wire.url }))
  const channel = newChannel()
  await using subscription = await pool.listen(channel, { maxQueue: 3, heartbeat: 2_000 })
  const payloads = Array.from({ length: 10 }, (_, index) => String(index))
  await notify(observer, channel, ...payloads)
  // The second probe is sent after the answer to the first, which came after everything before it.
  const probed = deferred()
  let probes = 0
  wire.onClientMessage = ({ bytes }) => {
    if (bytes.includes('SELECT 1')) probes += 1
    if (probes === 2) probed.resolve()
  }
  await probed.promise
  assert.deepEqual(await take(subscription, 4), [
    { gap: true, dropped: 7 },
    { payload: '7' },
    { payload: '8' },
    { payload: '9' },
  ])
})

test('whoever reads does so in its own context, and the connection keeps nobody else’s', async () => {
  await using observer = await Observer.start()
  await using pool = pgPool(() => newPool())
  const channel = newChannel()
  const storage = new AsyncLocalStorage<string>()
  await using subscription = await storage.run('opener', () => pool.listen(channel))
  const seen = storage.run('reader', async () => {
    for await (const _ of subscription) return storage.getStore()
    return 'nothing came'
  })
  await notify(observer, channel, 'x')
  assert.equal(await seen, 'reader')
})

test('a connection that is asked time and again remembers none of its answers', async () => {
  let asked = 0
  class Client extends pg.Client {
    override query(...args: unknown[]): never {
      if (args[0] === 'SELECT 1') asked += 1
      return super.query(...(args as [string])) as never
    }
  }
  await using pool = pgPool(() => newPool({ Client }))
  await using _subscription = await pool.listen(newChannel(), { heartbeat: 1 })
  const promises = async (): Promise<number> => {
    const last = asked + 300
    await until(() => asked >= last, 'it was asked 300 times')
    return queryObjects(Promise, { format: 'count' })
  }
  const before = await promises()
  const grown = (await promises()) - before
  assert.ok(grown < 100, `${grown} promises more`)
})
