/** What the peer says: nothing is lost, nothing is mixed up, and nobody says more than is read. */
import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import { once } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import { test } from 'node:test'
import { connect, socket } from 'unwind/ws'

import { isPending, rejection, within } from '../core/support/promises.ts'
import { closeOf, everything, next, openPair, openServer, urlOf } from './support/peers.ts'

test('messages that come before the first read are kept, in their order', async (t) => {
  const { here, there } = await openPair(t)
  const held = socket(here)
  for (let i = 0; i < 20; i += 1) there.send(`message ${i}`)
  there.close()
  await within(held.closed)
  assert.deepEqual(
    await everything(held),
    Array.from({ length: 20 }, (_, i) => `message ${i}`),
  )
})

test('what a server says together with its handshake is kept by connect()', async (t) => {
  const server = await openServer(t)
  server.on('connection', (raw) => {
    raw.send('welcome')
    raw.send('to the shop')
    raw.close()
  })
  const held = await connect(urlOf(server))
  await within(held.closed)
  assert.deepEqual(await everything(held), ['welcome', 'to the shop'])
})

test('text comes as a string and bytes as a Uint8Array, with their boundaries', async (t) => {
  const { here, there } = await openPair(t)
  const held = socket(here)
  there.send('grüße 😀')
  there.send(Uint8Array.of(1, 2, 3))
  there.send('')
  there.send(new Uint8Array())
  there.close()
  const [text, bytes, noText, noBytes] = await within(everything(held))
  assert.equal(text, 'grüße 😀')
  assert.ok(bytes instanceof Uint8Array)
  assert.deepEqual([...bytes], [1, 2, 3])
  assert.equal(noText, '')
  assert.ok(noBytes instanceof Uint8Array && noBytes.byteLength === 0)
})

test('bytes come as such where the user of the driver has set another type', async (t) => {
  const { here, there } = await openPair(t)
  here.binaryType = 'arraybuffer'
  const held = socket(here)
  there.send(Uint8Array.of(4))
  const bytes = await next(held)
  assert.ok(bytes instanceof Uint8Array && bytes[0] === 4)
})

test('a peer that says more than is read is paused, and goes on when it is read', async (t) => {
  const { here, there } = await openPair(t)
  const held = socket(here, { highWater: 4 })
  const text = 'x'.repeat(64 * 1024)
  for (let i = 0; i < 1_000; i += 1) there.send(`${i} ${text}`)
  while (!here.isPaused) await once(here, 'message')
  for (let i = 0; i < 50; i += 1) await turn()
  assert.ok(there.bufferedAmount > 10_000_000, 'most of it waits at the peer')
  there.close()
  let expected = 0
  for await (const message of held) {
    assert.equal(message, `${expected} ${text}`)
    expected += 1
  }
  assert.equal(expected, 1_000)
  assert.deepEqual(await held.closed, { code: 1005, reason: '', clean: true })
})

test('by default 64 messages are kept before the peer is paused', async (t) => {
  const { here, there } = await openPair(t)
  const held = socket(here)
  const send = async (): Promise<void> => {
    const arrived = once(here, 'message')
    there.send('one')
    await within(arrived)
  }
  for (let i = 0; i < 63; i += 1) await send()
  assert.equal(here.isPaused, false)
  await send()
  assert.equal(here.isPaused, true)
  for (let i = 0; i < 32; i += 1) await next(held)
  assert.equal(here.isPaused, false, 'half of them were read')
})

test('a clean close ends the iteration after what was said before it', async (t) => {
  const { here, there } = await openPair(t)
  const held = socket(here)
  there.send('last words')
  there.close(1001, 'leaving')
  assert.deepEqual(await within(everything(held)), ['last words'])
  assert.deepEqual(await held.closed, { code: 1001, reason: 'leaving', clean: true })
  assert.deepEqual(await everything(held), [], 'and it stays ended')
})

test('a peer that breaks off ends the iteration with an error, after what was said before it', async (t) => {
  const { here, there } = await openPair(t)
  const held = socket(here)
  const arrived = once(here, 'message')
  there.send('last words')
  await within(arrived)
  there.terminate()
  await within(held.closed)
  assert.equal(await next(held), 'last words')
  const error = (await rejection(everything(held))) as NodeJS.ErrnoException
  assert.equal(error.code, 'ERR_SOCKET_BROKEN')
  assert.match(error.message, /close frame/)
  assert.deepEqual(await held.closed, { code: 1006, reason: '', clean: false })
  assert.equal(await rejection(everything(held)), error, 'each time')
})

test('a loop that waits when the peer breaks off is ended at once', async (t) => {
  const { here, there } = await openPair(t)
  const reading = everything(socket(here))
  assert.ok(await isPending(reading))
  there.terminate()
  const error = (await rejection(reading)) as NodeJS.ErrnoException
  assert.equal(error.code, 'ERR_SOCKET_BROKEN')
})

test('close() ends a loop that waits, and drops what comes after it', async (t) => {
  const { here, there } = await openPair(t)
  const held = socket(here)
  const reading = everything(held)
  await turn()
  const closing = held.close()
  there.send('too late')
  assert.deepEqual(await within(reading), [])
  await within(closing)
})

test('leaving a loop leaves the socket open, and another loop reads on', async (t) => {
  const { here, there } = await openPair(t)
  const held = socket(here)
  for (const text of ['1', '2', '3']) there.send(text)
  there.close()
  const heard: unknown[] = []
  for await (const message of held) {
    heard.push(message)
    break
  }
  for await (const message of held) heard.push(message)
  assert.deepEqual(heard, ['1', '2', '3'])
})

test('a loop that is left takes no message along, and a read of it that still waits is over', async (t) => {
  const { here, there } = await openPair(t)
  const held = socket(here)
  const reading = held[Symbol.asyncIterator]()
  const other = held[Symbol.asyncIterator]().next()
  const waiting = [reading.next(), reading.next()]
  const over = { done: true, value: undefined }
  assert.deepEqual(await within(Promise.resolve(reading.return?.())), over)
  assert.deepEqual(await within(Promise.all(waiting)), [over, over])
  there.send('first')
  there.send('second')
  assert.deepEqual(await within(other), { done: false, value: 'first' })
  assert.deepEqual(await within(reading.next()), over)
  assert.equal(await next(held), 'second')
})

test('two loops share the messages, each of which is read once', async (t) => {
  const { here, there } = await openPair(t)
  const held = socket(here)
  const both = [everything(held), everything(held)]
  for (let i = 0; i < 10; i += 1) there.send(String(i))
  there.close()
  const heard = (await within(Promise.all(both))).flat()
  assert.deepEqual(heard.toSorted(), ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])
})

test('reads that were asked for at once are answered in their order', async (t) => {
  const { here, there } = await openPair(t)
  const iterator = socket(here)[Symbol.asyncIterator]()
  const reads = [iterator.next(), iterator.next(), iterator.next()]
  there.send('a')
  there.send('b')
  there.close()
  assert.deepEqual(
    (await within(Promise.all(reads))).map(({ value }) => value),
    ['a', 'b', undefined],
  )
})

test('a loop keeps the context in which it runs, whoever opened the socket', async (t) => {
  const storage = new AsyncLocalStorage<string>()
  const { here, there } = await openPair(t)
  const held = storage.run('opener', () => socket(here))
  const reading = storage.run('reader', async () => {
    for await (const _message of held) return storage.getStore()
    return 'none'
  })
  there.send('hello')
  assert.equal(await within(reading), 'reader')
  there.close()
  await closeOf(there)
})
