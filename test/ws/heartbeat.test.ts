/** Peers that vanished are found, and nobody else is taken for one. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mock, test, type TestContext } from 'node:test'
import { Worker } from 'node:worker_threads'
import { socket, type Socket } from 'unwind/ws'
import type { WebSocket } from 'ws'

import { quiet, rejection, within } from '../core/support/promises.ts'
import { vanished, vanishingNeeds } from '../support/vanished.ts'
import { closeOf, openClient, openPair, openServer, urlOf } from './support/peers.ts'
import { watchTimers } from './support/timers.ts'

/** A peer that does not answer pings, and its server's end. */
async function openDeaf(t: TestContext): Promise<{ here: WebSocket; there: WebSocket }> {
  const server = await openServer(t)
  const accepted = once(server, 'connection') as Promise<[WebSocket]>
  const there = openClient(t, server, { autoPong: false })
  const [[here]] = await within(Promise.all([accepted, once(there, 'open')]))
  return { here, there }
}

function fakeIntervals(t: TestContext): (ms: number) => void {
  t.mock.timers.enable({ apis: ['setInterval'] })
  return (ms) => t.mock.timers.tick(ms)
}

test('a peer that does not answer a ping until the next one is terminated', async (t) => {
  const { here, there } = await openDeaf(t)
  const held = socket(here, { heartbeat: 20 })
  const seen = closeOf(there)
  const error = (await rejection(held[Symbol.asyncIterator]().next())) as NodeJS.ErrnoException
  assert.equal(error.code, 'ERR_SOCKET_BROKEN')
  assert.match(error.message, /did not answer a ping within 20 ms/)
  assert.deepEqual(await within(held.closed), { code: 1006, reason: '', clean: false })
  assert.deepEqual(await seen, [1006, ''])
})

test('by default every 30 s a ping is sent, and a peer that answers stays', async (t) => {
  const { here, there } = await openPair(t)
  const tick = fakeIntervals(t)
  const held = socket(here)
  for (let i = 0; i < 5; i += 1) {
    const pinged = once(there, 'ping')
    const answered = once(here, 'pong')
    tick(29_999)
    await quiet()
    tick(1)
    await within(Promise.all([pinged, answered]))
  }
  assert.equal(held.state, 'open')
})

test('a heartbeat of 0 sends none, and sets no timer', async (t) => {
  const { here, there } = await openDeaf(t)
  const tick = fakeIntervals(t)
  using timers = watchTimers()
  const held = socket(here, { heartbeat: 0 })
  there.on('ping', () => assert.fail('There was a ping.'))
  tick(120_000)
  await quiet()
  assert.equal(timers.alive, 0)
  assert.equal(held.state, 'open')
})

test('a socket that is connecting is not pinged before it is open', async (t) => {
  const server = await openServer(t)
  const accepted = once(server, 'connection') as Promise<[WebSocket]>
  const tick = fakeIntervals(t)
  const raw = openClient(t, server)
  const held = socket(raw, { heartbeat: 10 })
  tick(100)
  const [there] = await within(accepted)
  await within(once(raw, 'open'))
  const pinged = once(there, 'ping')
  tick(10)
  await within(pinged)
  assert.equal(held.state, 'open')
})

test('a peer that is not read from is not missed, and is when it is read from again', async (t) => {
  const { here, there } = await openDeaf(t)
  const tick = fakeIntervals(t)
  const held = socket(here, { heartbeat: 10, highWater: 1 })
  const arrived = once(here, 'message')
  there.send('one too many')
  await within(arrived)
  assert.ok(here.isPaused)
  for (let i = 0; i < 5; i += 1) {
    tick(10)
    await quiet()
  }
  assert.equal(held.state, 'open')
  await held[Symbol.asyncIterator]().next()
  tick(10)
  await within(held.closed)
})

test('a peer whose answer stands behind much that it says is not missed while it says it', async (t) => {
  const { here, there } = await openDeaf(t)
  const tick = fakeIntervals(t)
  const held = socket(here, { heartbeat: 10 })
  for (let i = 0; i < 5; i += 1) {
    tick(10)
    await quiet()
    const arrived = once(here, 'message')
    there.send('a part of it')
    await within(arrived)
  }
  assert.equal(held.state, 'open')
  tick(10)
  tick(10)
  await within(held.closed)
})

test('a peer is not missed while a message of it is still coming', async (t) => {
  const { here, there } = await openDeaf(t)
  const tick = fakeIntervals(t)
  const held = socket(here, { heartbeat: 10 })
  for (let i = 0; i < 5; i += 1) {
    tick(10)
    await quiet()
    const arrived = once(here, 'ping')
    there.send('a part of it', { fin: false })
    // Behind the part: nothing else tells that it has come.
    there.ping()
    await within(arrived)
  }
  assert.equal(held.state, 'open')
  tick(10)
  tick(10)
  await within(held.closed)
})

interface SlowReading {
  readonly held: Socket
  readonly there: WebSocket
  readonly beats: number
  readonly beat: () => void
  /** Changes when something of what waits has left. */
  readonly moved: () => number
}

/** The peer takes something at each of `beats`, and is not missed; then nothing, and is. */
async function readSlowly({ held, there, beats, beat, moved }: SlowReading): Promise<void> {
  for (let left = beats; left > 0; left -= 1) {
    beat()
    await quiet()
    assert.equal(held.state, 'open')
    const before = moved()
    there.resume()
    while (moved() === before && held.state === 'open') await quiet()
    there.pause()
  }
  for (let left = 4; left > 0; left -= 1) {
    beat()
    await quiet()
  }
  await within(held.closed)
}

test('a peer that reads slowly what waits in front of the ping is not missed', async (t) => {
  const { here, there } = await openPair(t)
  there.pause()
  const tick = fakeIntervals(t)
  const held = socket(here, { heartbeat: 10 })
  const feed = { sent: 0 }
  const sending = (async () => {
    for (;;) {
      await held.send(Buffer.alloc(1024 * 1024))
      feed.sent += 1
    }
  })()
  const stopped = rejection(sending)
  // What fills the buffers of the system says nothing about the peer.
  for (let before = -1; before < feed.sent;) {
    before = feed.sent
    for (let i = 0; i < 50; i += 1) await quiet()
  }
  await readSlowly({ held, there, beats: 8, beat: () => tick(10), moved: () => feed.sent })
  assert.equal(((await stopped) as NodeJS.ErrnoException).code, 'ERR_SOCKET_BROKEN')
})

test('nor is one that slowly reads a single message', async (t) => {
  const { here, there } = await openPair(t)
  there.pause()
  const tick = fakeIntervals(t)
  const held = socket(here, { heartbeat: 10, maxBuffered: 2 ** 30 })
  const stopped = rejection(held.send(Buffer.alloc(64 * 1024 * 1024)))
  // Nothing public tells of parts of it.
  const { _handle } = (here as unknown as { _socket: { _handle: { writeQueueSize: number } } })
    ._socket
  const moved = (): number => _handle.writeQueueSize
  await readSlowly({ held, there, beats: 4, beat: () => tick(10), moved })
  assert.equal(((await stopped) as NodeJS.ErrnoException).code, 'ERR_SOCKET_BROKEN')
})

test('a process that was busy reads an answer that came late before it judges', async (t) => {
  const server = await openServer(t)
  const accepted = once(server, 'connection') as Promise<[WebSocket]>
  const answered = new Int32Array(new SharedArrayBuffer(4))
  const source = `
    const { workerData: { url, answered, ws } } = require('node:worker_threads')
    import(ws).then(({ WebSocket }) => {
      const peer = new WebSocket(url, { autoPong: false })
      peer.on('ping', (data) => peer.pong(data, true, () => {
        Atomics.add(answered, 0, 1)
        Atomics.notify(answered, 0)
      }))
    })`
  const worker = new Worker(source, {
    eval: true,
    workerData: { url: urlOf(server), answered, ws: import.meta.resolve('ws') },
  })
  t.after(() => worker.terminate())
  const [here] = await within(accepted)
  const heartbeat = 30
  const ping = here.ping.bind(here)
  const busy = Promise.withResolvers<void>()
  let times = 0
  here.ping = () => {
    const before = Atomics.load(answered, 0)
    ping()
    // Nothing is read while the process waits here, for longer than until the next beat.
    Atomics.wait(answered, 0, before, 30_000)
    const until = performance.now() + 2 * heartbeat
    while (performance.now() < until);
    times += 1
    if (times === 3) busy.resolve()
  }
  const held = socket(here, { heartbeat })
  await Promise.race([within(busy.promise), held.closed.then(() => assert.fail())])
  assert.equal(held.state, 'open')
  await within(held.close())
})

test('a peer that has begun to close and does not end is terminated after the grace', async (t) => {
  const { here, there } = await openPair(t)
  const tick = fakeIntervals(t)
  const held = socket(there, { heartbeat: 10, grace: 20 })
  // The server has said goodbye, and its process does not come to ending the connection.
  mock.method(here, 'terminate')
  here.pause()
  here.close(1000)
  while (there.readyState === there.OPEN) await quiet()
  assert.equal(held.state, 'closing')
  tick(10)
  await within(held.closed)
})

test(
  'a peer that vanished without a FIN is found',
  { skip: vanishingNeeds(), timeout: 60_000 },
  async () => {
    const server = `
      import { once } from 'node:events'
      import { socket } from 'unwind/ws'
      import { WebSocketServer } from 'ws'
      export async function serve(host, call, cut) {
        const server = new WebSocketServer({ port: 9000, host })
        await once(server, 'listening')
        call()
        const [raw] = await once(server, 'connection')
        const held = socket(raw, { heartbeat: 200 })
        for await (const message of held) if (message === 'hello') break
        cut()
        // Says something all the time, as a feed does: writing alone does not find out.
        const feed = setInterval(() => held.send('news'), 50)
        const error = await held[Symbol.asyncIterator]().next().catch((error) => error)
        clearInterval(feed)
        console.log(error.code, JSON.stringify(await held.closed), held.signal.aborted)
      }`
    const client = `
      import { WebSocket } from 'ws'
      export function connect(host) {
        const socket = new WebSocket('ws://' + host + ':9000')
        socket.on('error', () => {})
        socket.on('open', () => socket.send('hello'))
      }`
    const lines = await vanished({ server, client })
    assert.deepEqual(lines, ['ERR_SOCKET_BROKEN {"code":1006,"reason":"","clean":false} true'])
  },
)
