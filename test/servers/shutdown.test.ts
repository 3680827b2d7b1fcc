/** A service that is told to end by a signal: everybody who is being served is served, and then it ends. */
import assert from 'node:assert/strict'
import cluster, { type Worker } from 'node:cluster'
import { once } from 'node:events'
import { extname } from 'node:path'
import { test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { connect } from 'unwind/ws'
import { WebSocket } from 'ws'

import {
  cutAmong,
  get,
  keepAsking,
  RawClient,
  SlowDownload,
  type Made,
  type Origin,
} from '../../bench/shutdown/clients.ts'
import { within } from '../core/support/promises.ts'
import { startService } from './support/running.ts'

const options = { timeout: 60_000 }

test(
  '50 requests in flight are all answered, with Connection: close, and the exit code is 0',
  options,
  async (t) => {
    const service = await startService(t)
    const clients = await Promise.all(
      Array.from({ length: 50 }, () => RawClient.open(service.port, get('/held'))),
    )
    await service.printed('asked', 50)
    service.kill('SIGTERM')
    await Promise.all(clients.map(({ closed }) => closed))
    for (const { head, error } of clients) {
      assert.equal(error, undefined)
      assert.match(head, /^HTTP\/1\.1 200 OK\r\n[^]*Connection: close\r\n[^]*the whole answer$/)
    }
    assert.equal(await service.ended, 0)
    const end = service.lines.filter((line) => line.startsWith('re'))
    const leases = Array(50).fill('released lease')
    assert.deepEqual(end, [...leases, 'released newer', 'released older', 'report 50 0 0 0'])
  },
)

test('6 slow downloads of 16 MB at SIGTERM: none is truncated', options, async (t) => {
  const service = await startService(t)
  const downloads = await Promise.all(
    [1, 2, 3, 4, 5, 6].map(() => SlowDownload.begin(service.port)),
  )
  service.kill('SIGTERM')
  await service.printed('draining')
  await Promise.all(downloads.map((download) => download.readOn(20 * 1024 * 1024)))
  assert.deepEqual(
    downloads.map(({ whole }) => whole),
    Array(6).fill(true),
  )
  assert.equal(await service.ended, 0)
})

test(
  'under load, SIGTERM resets no accepted connection and truncates no download',
  options,
  async (t) => {
    // On a machine that is busy enough, a client may be kept from asking for longer than idle connections may stay.
    let cut: Origin[] = []
    for (let time = 0; time < 3; time += 1) {
      cut = await cutAtSigterm(t)
      if (cut.length === 0) break
    }
    assert.deepEqual(cut, [])
  },
)

/**
 * From where those came who were reset under load, while everything else that is asked of the service holds each time.
 * Without those at the door: the kernel may complete a handshake after the last look at it and before it is closed.
 */
async function cutAtSigterm(t: TestContext): Promise<Origin[]> {
  const service = await startService(t)
  const downloads = await Promise.all([1, 2].map(() => SlowDownload.begin(service.port)))
  const end = new AbortController()
  const made: Made = new Map()
  const asking = keepAsking(service.port, 16, made, end.signal)
  // Half a second of it before.
  await keepAsking(service.port, 4, made, AbortSignal.timeout(500))
  service.kill('SIGTERM')
  await Promise.all(downloads.map((download) => download.readOn(20 * 1024 * 1024)))
  assert.equal(await service.ended, 0)
  end.abort()
  const { answered, resets, turnedAway } = await asking
  assert.ok(answered > 0)
  assert.equal(turnedAway, 0)
  assert.deepEqual(
    downloads.map(({ whole }) => whole),
    [true, true],
  )
  const [, ports = ''] = service.lines.find((line) => line.startsWith('accepted'))?.split(' ') ?? []
  return cutAmong(resets, JSON.parse(ports) as number[])
}

test(
  'nobody who is silent keeps it open: idle, without a request, with half of one',
  options,
  async (t) => {
    for (const secure of [false, true]) {
      const service = await startService(t, { linger: 50, secure })
      const silent = [
        await RawClient.open(service.port),
        await RawClient.open(service.port, 'GET /half HTTP/1.1\r\nHost:'),
        await RawClient.open(service.port, secure ? '' : get('/quick')),
      ]
      if (!secure) await silent[2]?.answered()
      service.kill('SIGTERM')
      assert.equal(await service.ended, 0)
      await Promise.all(silent.map(({ closed }) => closed))
    }
  },
)

test(
  'sockets are closed with 1001: polite ones at once, silent ones after their grace',
  options,
  async (t) => {
    const service = await startService(t)
    const url = `ws://127.0.0.1:${service.port}/feed`
    const polite = await connect(url)
    const silent = new WebSocket(url)
    await once(silent, 'open')
    silent.pause()
    await service.printed('socket', 2)
    service.kill('SIGTERM')
    assert.deepEqual(await within(polite.closed), { code: 1001, reason: '', clean: true })
    assert.equal(await service.ended, 0)
    silent.terminate()
    assert.ok(service.lines.includes('report 2 0 0 0'))
  },
)

test('event streams that listen to the drain end by themselves, whole', options, async (t) => {
  const service = await startService(t)
  const clients = await Promise.all(
    [1, 2, 3].map(() => RawClient.open(service.port, get('/events'))),
  )
  await Promise.all(clients.map((client) => client.answered()))
  service.kill('SIGTERM')
  const ends = clients.map(async ({ socket, closed }) => {
    let text = ''
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()))
    await closed
    return text
  })
  for (const text of await Promise.all(ends)) assert.match(text, /data: goodbye[^]*\r\n0\r\n\r\n$/)
  assert.equal(await service.ended, 0)
  assert.equal(service.lines.filter((line) => line === 'events success').length, 3)
})

test('event streams that do not are aborted after the grace', options, async (t) => {
  const service = await startService(t, { grace: 100 })
  const client = await RawClient.open(service.port, get('/endless-events'))
  await client.answered()
  service.kill('SIGTERM')
  assert.equal(await service.ended, 0)
  assert.ok(service.lines.includes('report 0 1 0 0'))
  await client.closed
})

test(
  'a handler that is longer than the grace is aborted, and its client is told',
  options,
  async (t) => {
    const service = await startService(t, { grace: 100, linger: 0 })
    const client = await RawClient.open(service.port, get('/patient'))
    await service.printed('asked')
    service.kill('SIGTERM')
    await client.closed
    assert.match(client.head, /^HTTP\/1\.1 503 /)
    assert.equal(await service.ended, 0)
    assert.ok(service.lines.includes('report 0 1 0 0'))
  },
)

test('a handler that heeds nothing is left behind, and the exit code is 1', options, async (t) => {
  const service = await startService(t, { grace: 50, abortGrace: 50, linger: 0 })
  const client = await RawClient.open(service.port, get('/stubborn'))
  await service.printed('asked')
  service.kill('SIGTERM')
  assert.equal(await service.ended, 1)
  await client.closed
  assert.equal(client.head, '')
  const end = service.lines.filter((line) => line.startsWith('re'))
  assert.deepEqual(end, ['released newer', 'released older', 'report 0 1 1 0'])
})

const pairs = [
  ['SIGTERM', 'SIGTERM', 143],
  ['SIGINT', 'SIGINT', 130],
  ['SIGINT', 'SIGTERM', 143],
  ['SIGTERM', 'SIGINT', 130],
] as const
for (const [first, second, code] of pairs) {
  test(`${second} after ${first} exits at once with ${code}`, options, async (t) => {
    const service = await startService(t, { grace: 60_000 })
    using _client = await RawClient.open(service.port, get('/stubborn'))
    await service.printed('asked')
    service.kill(first)
    await service.printed('draining')
    service.kill(second)
    assert.equal(await service.ended, code)
    assert.ok(!service.lines.some((line) => line.startsWith('report')))
  })
}

test(
  'a lame duck goes on accepting and says Connection: close; a second signal does not wait',
  options,
  async (t) => {
    const service = await startService(t, { lameDuck: 60_000 })
    service.kill('SIGTERM')
    await service.printed('draining')
    const client = await RawClient.open(service.port, get('/quick'))
    await client.closed
    assert.match(client.head, /^HTTP\/1\.1 200 OK\r\n[^]*Connection: close\r\n[^]*quick$/)
    service.kill('SIGTERM')
    assert.equal(await service.ended, 143)
  },
)

test('after a lame duck the service ends as without one', options, async (t) => {
  const service = await startService(t, { lameDuck: 200 })
  const held = await RawClient.open(service.port, get('/held'))
  await service.printed('asked')
  service.kill('SIGTERM')
  await held.closed
  assert.match(held.head, /the whole answer$/)
  assert.equal(await service.ended, 0)
})

/** A worker with the service, and how it ends. */
async function fork(t: TestContext) {
  const file = new URL(`./support/service${extname(import.meta.url)}`, import.meta.url)
  cluster.setupPrimary({ exec: fileURLToPath(file), args: ['{}'], silent: true })
  const worker = cluster.fork()
  t.after(() => worker.kill('SIGKILL'))
  const ended = once(worker, 'exit') as Promise<[code: number]>
  const [{ port }] = (await within(once(worker, 'listening'))) as [{ port: number }]
  return { worker, port, ended }
}

const orders = {
  'is told to end by SIGTERM': ({ process: { pid } }: Worker) => process.kill(pid ?? 0, 'SIGTERM'),
  'is disconnected by its primary': (worker: Worker) => worker.disconnect(),
}
for (const [order, give] of Object.entries(orders)) {
  test(
    `a worker of a cluster that ${order} delivers what is on its way, and ends`,
    options,
    async (t) => {
      const { worker, port, ended } = await fork(t)
      using download = await SlowDownload.begin(port)
      give(worker)
      await within(download.readOn(20 * 1024 * 1024))
      assert.ok(download.whole)
      const [code] = await within(ended)
      assert.equal(code, 0)
    },
  )
}
