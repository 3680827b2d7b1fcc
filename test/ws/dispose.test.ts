/** How a socket ends: in every state, with every kind of peer, within its grace. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { test } from 'node:test'
import { socket, type Socket } from 'unwind/ws'
import { WebSocket } from 'ws'

import { quiet, rejection, within } from '../core/support/promises.ts'
import { closeOf, everything, openPair } from './support/peers.ts'
import { watchTimers } from './support/timers.ts'

/** Longer than any test may take. */
const endless = { grace: 60_000 }

function dispose(held: Socket & AsyncDisposable): Promise<void> {
  return within(Promise.resolve(held[Symbol.asyncDispose]()))
}

test('disposing an open socket closes it with 1000, and both sides see a clean end', async (t) => {
  const { here, there } = await openPair(t)
  const held = socket(here, endless)
  assert.equal(held.state, 'open')
  const seen = closeOf(there)
  const disposing = dispose(held)
  assert.equal(held.state, 'closing')
  await disposing
  assert.equal(held.state, 'closed')
  assert.deepEqual(await seen, [1000, ''])
  assert.deepEqual(await held.closed, { code: 1000, reason: '', clean: true })
  assert.equal(here.readyState, WebSocket.CLOSED)
})

test('`await using` closes at the end of its block', async (t) => {
  const { here, there } = await openPair(t)
  const seen = closeOf(there)
  {
    await using held = socket(here, endless)
    assert.equal(held.state, 'open')
  }
  assert.equal(here.readyState, WebSocket.CLOSED)
  assert.deepEqual(await seen, [1000, ''])
})

test('disposing a connecting socket gives up the connection, and nothing is thrown', async (t) => {
  // Somebody who accepts connections, and never answers the handshake.
  const silent = createServer((visitor) => visitor.on('error', () => {}).resume())
  t.after(() => silent.close())
  await within(once(silent.listen(0, '127.0.0.1'), 'listening'))
  const raw = new WebSocket(`ws://127.0.0.1:${(silent.address() as AddressInfo).port}`)
  const held = socket(raw, endless)
  const sending = held.send('too early')
  await dispose(held)
  assert.equal(raw.readyState, WebSocket.CLOSED)
  assert.equal(held.state, 'closed')
  const { code } = (await rejection(sending)) as NodeJS.ErrnoException
  assert.equal(code, 'ERR_SOCKET_CLOSED')
  assert.equal((await held.closed).clean, false)
})

test('a connection that is refused ends the socket, and the process goes on', async () => {
  const raw = new WebSocket('ws://127.0.0.1:1')
  const held = socket(raw, endless)
  assert.equal((await within(held.closed)).clean, false)
  const error = (await rejection(held[Symbol.asyncIterator]().next())) as NodeJS.ErrnoException
  assert.equal(error.code, 'ERR_SOCKET_BROKEN')
  await dispose(held)
})

test('disposing a socket that is closing already waits for its end', async (t) => {
  const { here, there } = await openPair(t)
  const held = socket(here, endless)
  here.close(1000, 'from elsewhere')
  assert.equal(held.state, 'closing')
  await Promise.all([dispose(held), closeOf(there)])
  assert.equal(held.state, 'closed')
  assert.deepEqual(await held.closed, { code: 1000, reason: 'from elsewhere', clean: true })
})

test('a socket that is wrapped while it closes ends within its grace', async (t) => {
  const { here, there } = await openPair(t)
  there.pause()
  here.close()
  assert.equal(here.readyState, WebSocket.CLOSING)
  const held = socket(here, { grace: 20 })
  assert.equal(held.state, 'closing')
  await dispose(held)
  assert.equal(held.state, 'closed')
})

test('disposing a closed socket does nothing', async (t) => {
  const { here, there } = await openPair(t)
  const held = socket(here)
  there.close(4000, 'bye')
  assert.deepEqual(await within(held.closed), { code: 4000, reason: 'bye', clean: true })
  await dispose(held)
  await dispose(held)
})

test('a socket that was closed before it was wrapped has ended, aborted and no messages', async (t) => {
  const { here, there } = await openPair(t)
  there.terminate()
  await closeOf(here)
  const held = socket(here)
  assert.equal(held.state, 'closed')
  assert.ok(held.signal.aborted)
  assert.deepEqual(await held.closed, { code: 1006, reason: '', clean: false })
  assert.deepEqual(await everything(held), [])
  await dispose(held)
})

test('a peer that does not answer the close frame is terminated after the grace', async (t) => {
  const { here, there } = await openPair(t)
  there.pause()
  const held = socket(here, { grace: 30 })
  const start = performance.now()
  await dispose(held)
  assert.ok(performance.now() - start >= 29)
  assert.deepEqual(await held.closed, { code: 1006, reason: '', clean: false })
})

test('a grace of 0 terminates at once', async (t) => {
  const { here, there } = await openPair(t)
  there.pause()
  const held = socket(here, { grace: 0 })
  await dispose(held)
  assert.equal(here.readyState, WebSocket.CLOSED)
})

test('disposing does not wait for a backlog that the peer does not read', async (t) => {
  const { here, there } = await openPair(t)
  there.pause()
  const held = socket(here, { grace: 50, maxBuffered: 64 * 1024 * 1024 })
  const sending = held.send(Buffer.alloc(48 * 1024 * 1024))
  assert.ok(here.bufferedAmount > 0)
  await dispose(held)
  assert.equal(((await rejection(sending)) as NodeJS.ErrnoException).code, 'ERR_SOCKET_CLOSED')
  assert.equal(here.bufferedAmount, 0)
})

test('disposing drops what was not read, and a peer that was paused sees a clean close', async (t) => {
  const { here, there } = await openPair(t)
  const held = socket(here, { ...endless, highWater: 1 })
  const seen = closeOf(there)
  for (let i = 0; i < 500; i += 1) there.send('x'.repeat(10_000))
  while (!here.isPaused) await once(here, 'message')
  await dispose(held)
  assert.deepEqual(await seen, [1000, ''])
  assert.deepEqual(await everything(held), [])
})

test('close() says code and reason, resolves with what was agreed, and only the first one counts', async (t) => {
  const { here, there } = await openPair(t)
  const held = socket(here, endless)
  const seen = closeOf(there)
  const first = held.close(4001, 'enough')
  const second = held.close(1000, 'later')
  assert.deepEqual(await within(first), { code: 4001, reason: 'enough', clean: true })
  assert.deepEqual(await second, await first)
  assert.deepEqual(await seen, [4001, 'enough'])
})

const codes = [
  [1000, 1000],
  [1001, 1001],
  [1011, 1011],
  [1012, 1012],
  [3000, 3000],
  [4999, 4999],
  [999, 1000],
  [1004, 1000],
  [1005, 1000],
  [1006, 1000],
  [1015, 1000],
  [2999, 1000],
  [5000, 1000],
  [0, 1000],
  [-1, 1000],
  [1000.5, 1000],
  [Number.NaN, 1000],
] as const
for (const [given, sent] of codes) {
  test(`close(${given}) sends ${sent}`, async (t) => {
    const { here, there } = await openPair(t)
    const seen = closeOf(there)
    await within(socket(here, endless).close(given))
    assert.deepEqual(await seen, [sent, ''])
  })
}

const reasons = [
  ['of 123 bytes is sent whole', 'r'.repeat(123), 'r'.repeat(123)],
  ['of 124 bytes is cut', 'r'.repeat(124), 'r'.repeat(123)],
  ['is cut between two characters', 'é'.repeat(100), 'é'.repeat(61)],
  ['is cut before a character of four bytes', `${'r'.repeat(121)}😀`, 'r'.repeat(121)],
] as const
for (const [how, given, sent] of reasons) {
  test(`a reason ${how}`, async (t) => {
    const { here, there } = await openPair(t)
    const seen = closeOf(there)
    await within(socket(here, endless).close(4000, given))
    assert.deepEqual(await seen, [4000, sent])
  })
}

test('the signal aborts when the peer says goodbye, breaks off, or is closed from here', async (t) => {
  for (const end of ['goodbye', 'break', 'here'] as const) {
    const { here, there } = await openPair(t)
    const held = socket(here, endless)
    const { signal } = held
    assert.equal(signal.aborted, false)
    assert.equal(held.signal, signal)
    const aborted = once(signal, 'abort')
    if (end === 'goodbye') there.close()
    else if (end === 'break') there.terminate()
    else void held.close()
    await within(aborted)
    const expected = end === 'break' ? 'ERR_SOCKET_BROKEN' : 'ERR_SOCKET_CLOSED'
    assert.equal((signal.reason as NodeJS.ErrnoException).code, expected, end)
  }
})

test('a signal that is first read after the end is aborted', async (t) => {
  const { here, there } = await openPair(t)
  const held = socket(here)
  there.close()
  await within(held.closed)
  assert.ok(held.signal.aborted)
})

test('a closed socket leaves no listener and no timer behind', async (t) => {
  const { here, there } = await openPair(t)
  const events = (): [unknown, number][] =>
    here.eventNames().map((name) => [name, here.listenerCount(name)])
  const before = events()
  using timers = watchTimers()
  const held = socket(here, endless)
  assert.notDeepEqual(events(), before)
  assert.ok(timers.alive > 0)
  const seen = closeOf(there)
  await dispose(held)
  await seen
  await quiet()
  assert.deepEqual(events(), before)
  // The driver's own timer for the handshake is its own business, and cleared by now.
  assert.equal(timers.alive, 0)
})

test('what is no WebSocket, and options that are none, are refused by name', () => {
  assert.throws(() => socket({}), /TypeError.*socket\(\).*`ws` package/s)
  // @ts-expect-error -- as from JavaScript
  assert.throws(() => socket(undefined), TypeError)
  const raw = new WebSocket('ws://127.0.0.1:1')
  raw.on('error', () => {})
  for (const options of [
    { grace: -1 },
    { heartbeat: Number.NaN },
    { highWater: 0 },
    { maxBuffered: 1.5 },
    { timeout: 1 },
  ]) {
    assert.throws(
      () => socket(raw, options),
      (error: Error) => {
        assert.ok(error instanceof TypeError)
        assert.match(error.message, new RegExp(Object.keys(options).join()))
        return true
      },
    )
  }
  raw.terminate()
})
