/** What is said to the peer: a promise for each message, and a bound for what waits. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { connect, socket } from 'unwind/ws'
import { WebSocket } from 'ws'

import { script } from '../core/support/script.ts'
import { isPending, quiet, rejection, within } from '../core/support/promises.ts'
import { closeOf, everything, openPair, openServer, urlOf } from './support/peers.ts'

const megabyte = 1024 * 1024

async function codeOf(promise: PromiseLike<unknown>): Promise<string | undefined> {
  return ((await rejection(promise)) as NodeJS.ErrnoException).code
}

test('text and bytes arrive as what they were', async (t) => {
  const { here, there } = await openPair(t)
  const heard: [string, boolean][] = []
  there.on('message', (data: Buffer, binary) => heard.push([data.toString('latin1'), binary]))
  const held = socket(here)
  await within(held.send('text'))
  await within(held.send(Uint8Array.of(0x61, 0x62)))
  // A view of a part of its buffer.
  await within(held.send(new Uint8Array(Uint8Array.of(1, 0x63, 2).buffer, 1, 1)))
  const seen = closeOf(there)
  await within(held.close())
  await seen
  assert.deepEqual(heard, [
    ['text', false],
    ['ab', true],
    ['c', true],
  ])
})

test('send() stays pending while the peer does not read, and resolves once the data left', async (t) => {
  const { here, there } = await openPair(t)
  there.pause()
  const held = socket(here, { maxBuffered: 64 * megabyte })
  const sending = held.send(Buffer.alloc(32 * megabyte))
  assert.ok(await isPending(sending))
  there.resume()
  await within(sending)
  assert.equal(here.bufferedAmount, 0)
})

test('whoever awaits each send() keeps only one message waiting', async (t) => {
  const { here, there } = await openPair(t)
  const held = socket(here)
  const received = new Promise<number>((resolve) => {
    let bytes = 0
    there.on('message', (data: Buffer) => {
      bytes += data.length
      if (bytes === 64 * megabyte) resolve(bytes)
    })
  })
  for (let i = 0; i < 64; i += 1) {
    await within(held.send(Buffer.alloc(megabyte)))
    assert.ok(here.bufferedAmount < 2 * megabyte)
  }
  assert.equal(await within(received), 64 * megabyte)
})

test('beyond maxBuffered send() rejects, and the socket is terminated', async (t) => {
  const { here, there } = await openPair(t)
  there.pause()
  const held = socket(here, { maxBuffered: 8 * megabyte })
  const first = held.send(Buffer.alloc(7 * megabyte))
  const reading = rejection(held[Symbol.asyncIterator]().next())
  const error = (await rejection(held.send(Buffer.alloc(2 * megabyte)))) as NodeJS.ErrnoException
  assert.equal(error.code, 'ERR_SOCKET_OVERFLOW')
  assert.match(error.message, /maxBuffered is 8388608/)
  assert.deepEqual(await within(held.closed), { code: 1006, reason: '', clean: false })
  assert.equal(await codeOf(first), 'ERR_SOCKET_BROKEN')
  const broken = (await reading) as NodeJS.ErrnoException
  assert.equal(broken.code, 'ERR_SOCKET_BROKEN')
  assert.equal(broken.cause, error)
  assert.equal(await codeOf(held.send('more')), 'ERR_SOCKET_BROKEN')
})

test('the default of maxBuffered is 16 MiB', async (t) => {
  const { here, there } = await openPair(t)
  there.pause()
  const held = socket(here)
  const whole = held.send(Buffer.alloc(16 * megabyte))
  assert.ok(await isPending(whole))
  assert.equal(await codeOf(held.send(Buffer.alloc(16 * megabyte))), 'ERR_SOCKET_OVERFLOW')
  await within(held.closed)
})

test('send() on a socket that connects waits until it is open', async (t) => {
  const server = await openServer(t)
  const accepted = once(server, 'connection') as Promise<[WebSocket]>
  const held = socket(new WebSocket(urlOf(server)))
  const sending = Promise.all([held.send('first'), held.send('second')])
  const [there] = await within(accepted)
  const peer = socket(there)
  await within(sending)
  const heard = peer[Symbol.asyncIterator]()
  assert.equal((await within(heard.next())).value, 'first')
  assert.equal((await within(heard.next())).value, 'second')
  await Promise.all([held.close(), peer.closed])
})

test('what is sent while a socket connects, and as it opens, leaves in its order and without a warning', async (t) => {
  const warnings: Error[] = []
  const listener = (warning: Error): void => void warnings.push(warning)
  process.on('warning', listener)
  t.after(() => process.off('warning', listener))
  const server = await openServer(t)
  const accepted = once(server, 'connection') as Promise<[WebSocket]>
  const raw = new WebSocket(urlOf(server))
  const sending: Promise<void>[] = []
  raw.once('open', () => sending.push(held.send('as it opens')))
  const held = socket(raw)
  const early = Array.from({ length: 20 }, (_, i) => `early ${i}`)
  for (const text of early) sending.push(held.send(text))
  const [there] = await within(accepted)
  const peer = socket(there)
  await within(once(raw, 'open'))
  await within(Promise.all(sending))
  await within(held.close())
  assert.deepEqual(await everything(peer), [...early, 'as it opens'])
  assert.deepEqual(warnings, [])
})

test('send() after close(), and after the peer has gone, rejects with ERR_SOCKET_CLOSED', async (t) => {
  const { here, there } = await openPair(t)
  const held = socket(here)
  const closing = held.close()
  assert.equal(await codeOf(held.send('late')), 'ERR_SOCKET_CLOSED')
  await within(closing)
  assert.equal(await codeOf(held.send('later')), 'ERR_SOCKET_CLOSED')
  there.terminate()
})

test('send() after the goodbye of the peer rejects with ERR_SOCKET_CLOSED at the end, however much it is', async (t) => {
  const { here, there } = await openPair(t)
  const held = socket(there, { maxBuffered: 1_000 })
  // The server has said goodbye, and its process does not come to ending the connection.
  here.close(4000, 'bye')
  here.pause()
  while (held.state === 'open') await quiet()
  const sending = held.send('x'.repeat(1_001))
  assert.ok(await isPending(sending))
  here.resume()
  assert.equal(await codeOf(sending), 'ERR_SOCKET_CLOSED')
  assert.deepEqual(await within(held.closed), { code: 4000, reason: 'bye', clean: true })
})

test('what is under way when the peer breaks off rejects with what broke the socket', async (t) => {
  const { here, there } = await openPair(t)
  there.pause()
  const held = socket(here, { maxBuffered: 64 * megabyte })
  const sending = held.send(Buffer.alloc(32 * megabyte))
  there.terminate()
  assert.equal(await codeOf(sending), 'ERR_SOCKET_BROKEN')
})

test('neither text nor bytes is a TypeError, and the socket stays open', async (t) => {
  const { here, there } = await openPair(t)
  const held = socket(here)
  for (const data of [1, undefined, {}, [1], new ArrayBuffer(1)]) {
    // @ts-expect-error -- as from JavaScript
    const error = await rejection(held.send(data))
    assert.ok(error instanceof TypeError)
    assert.match(error.message, /send\(\).*a string or a Uint8Array/)
  }
  assert.equal(held.state, 'open')
  there.close()
  await within(held.closed)
})

test('a code or a reason of another type is a TypeError, and the socket stays open', async (t) => {
  const { here, there } = await openPair(t)
  const held = socket(here)
  for (const given of [['bye'], [1000, new Error('why')], [1000, null]]) {
    // @ts-expect-error -- as from JavaScript
    const error = await rejection(held.close(...given))
    assert.ok(error instanceof TypeError)
    assert.match(error.message, /the (?:code|reason) given to close\(\) to be a (?:number|string)/)
    assert.equal(held.state, 'open')
  }
  there.close()
  await within(held.closed)
})

test('a send() that nobody looks at is no unhandled rejection', async () => {
  const lines = await script(`
    import { WebSocketServer } from 'ws'
    import { connect } from 'unwind/ws'
    const server = new WebSocketServer({ port: 0 })
    server.on('connection', (raw) => raw.terminate())
    const held = await connect('ws://localhost:' + server.address().port)
    void held.send('into the void')
    const close = await held.closed
    void held.send('after the end')
    await turn()
    console.log(close.code)
    server.close()
  `)
  assert.deepEqual(lines, ['1006'])
})

test('two ends talk with each other in both directions at once', async (t) => {
  const server = await openServer(t)
  const echo = async (raw: WebSocket): Promise<void> => {
    await using peer = socket(raw)
    for await (const message of peer) await peer.send(message)
  }
  server.on('connection', (raw) => void echo(raw))
  await using held = await connect(urlOf(server))
  const messages = Array.from({ length: 500 }, (_, i) => `${i} `.repeat(i + 1))
  const talking = (async () => {
    for (const message of messages) await held.send(message)
  })()
  const heard: unknown[] = []
  for await (const message of held) if (heard.push(message) === messages.length) break
  assert.deepEqual(heard, messages)
  await talking
})
