/** The end of a service of sockets: nobody new, a goodbye for everybody, and every handler to its end. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as dial } from 'node:net'
import { test } from 'node:test'
import type { Scope } from 'unwind'
import { connect, type Socket } from 'unwind/ws'

import { isPending, quiet, rejection, within } from '../core/support/promises.ts'
import { closeOf, next, openClient, openServer, urlOf } from './support/peers.ts'
import { Service } from './support/service.ts'

/** Longer than any test may take. */
const endless = { grace: 60_000, abortGrace: 60_000 }

async function listen(socket: Socket): Promise<void> {
  for await (const _message of socket);
}

function dispose(service: Service): Promise<void> {
  return within(Promise.resolve(service.sockets[Symbol.asyncDispose]()))
}

async function codeOf(promise: PromiseLike<unknown>): Promise<string | undefined> {
  return ((await rejection(promise)) as NodeJS.ErrnoException).code
}

async function accepted(service: Service, count: number): Promise<void> {
  while (service.watched.length < count) await quiet()
}

test('disposing closes every socket with 1001 and the server, lets nobody new in, and leaves the app without it', async (t) => {
  await using service = await Service.open(t, listen)
  const url = urlOf(service.server)
  const peers = await Promise.all(Array.from({ length: 5 }, () => service.connect()))
  const closed = once(service.server, 'close')
  await dispose(service)
  await within(closed)
  for (const peer of peers) {
    assert.deepEqual(await within(peer.closed), { code: 1001, reason: '', clean: true })
  }
  assert.deepEqual(
    (await service.exits()).map(({ status }) => status),
    Array(5).fill('success'),
  )
  assert.equal(service.server.clients.size, 0)
  assert.equal(await codeOf(connect(url)), 'ERR_SOCKET_CONNECT')
  assert.equal(service.watched.length, 5)
  assert.deepEqual(service.app.inspect().resources, [])
})

test('peers that are silent, paused, gone or polite: one grace for all of them', async (t) => {
  await using service = await Service.open(t, listen, { grace: 200, heartbeat: 0 })
  const polite = await service.connect()
  const paused = [0, 1, 2].map(() => openClient(t, service.server))
  for (const client of paused) {
    await within(once(client, 'open'))
    client.pause()
  }
  const gone = openClient(t, service.server)
  await within(once(gone, 'open'))
  await accepted(service, 5)
  gone.terminate()
  const start = performance.now()
  await dispose(service)
  assert.ok(performance.now() - start >= 199)
  assert.deepEqual(await within(polite.closed), { code: 1001, reason: '', clean: true })
  assert.equal(service.server.clients.size, 0)
  await service.exits()
})

test('a handler at work is waited for', async (t) => {
  const gate = Promise.withResolvers<void>()
  await using service = await Service.open(t, async (socket) => {
    for await (const _message of socket) {
      await socket.send('working')
      await gate.promise
    }
  })
  const peer = await service.connect()
  await peer.send('an order')
  assert.equal(await next(peer), 'working')
  const disposing = dispose(service)
  assert.equal((await within(peer.closed)).code, 1001)
  assert.ok(await isPending(disposing))
  gate.resolve()
  await disposing
  assert.equal(service.watched[0]?.scope.state, 'closed')
})

test('a handler that goes on for 10 s is aborted with ERR_SHUTDOWN', async (t) => {
  await using service = await Service.open(t, async (_socket, scope) => {
    await once(scope.signal, 'abort')
    scope.signal.throwIfAborted()
  })
  const peer = await service.connect()
  await accepted(service, 1)
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const disposing = service.sockets[Symbol.asyncDispose]()
  await peer.closed
  while (service.server.clients.size > 0) await quiet()
  await quiet()
  t.mock.timers.tick(9_999)
  await quiet()
  assert.equal(service.watched[0]?.scope.signal.aborted, false)
  t.mock.timers.tick(1)
  await disposing
  t.mock.timers.reset()
  const [exit] = await service.exits()
  assert.equal(exit?.status, 'aborted')
  assert.equal(
    exit?.status === 'aborted' && (exit.reason as { code?: string }).code,
    'ERR_SHUTDOWN',
  )
})

test('shutting the app down closes every socket with 1001, and waits for the handlers', async (t) => {
  const drained: string[] = []
  await using service = await Service.open(t, async (socket, scope) => {
    scope.draining.addEventListener('abort', () => drained.push(scope.name))
    await listen(socket)
    await quiet()
  })
  const peers = await Promise.all([service.connect('/a'), service.connect('/b')])
  await accepted(service, 2)
  const report = await within(service.app.shutdown(endless))
  for (const peer of peers) assert.equal((await within(peer.closed)).code, 1001)
  assert.deepEqual(report, { drained: 2, aborted: 0, stuck: [], errors: [] })
  assert.deepEqual(drained.toSorted(), ['WS /a', 'WS /b'])
  assert.ok(service.watched.every(({ scope }) => scope.state === 'closed'))
})

test('a handler that goes on beyond the grace of the shutdown is aborted', async (t) => {
  await using service = await Service.open(t, async (_socket, scope) => {
    await once(scope.signal, 'abort')
    scope.signal.throwIfAborted()
  })
  const peer = await service.connect()
  await accepted(service, 1)
  const report = await within(service.app.shutdown({ grace: 10, abortGrace: 5_000 }))
  assert.deepEqual(report, { drained: 0, aborted: 1, stuck: [], errors: [] })
  assert.equal((await within(peer.closed)).code, 1001)
})

test('a handler that heeds nothing is left behind by the shutdown, which does not wait for it again', async (t) => {
  const gate = Promise.withResolvers<void>()
  await using service = await Service.open(t, () => gate.promise)
  const peer = await service.connect()
  await accepted(service, 1)
  const report = await within(service.app.shutdown({ grace: 10, abortGrace: 10 }))
  assert.equal(service.watched[0]?.scope.state, 'open')
  gate.resolve()
  assert.deepEqual(
    report.stuck.map(({ name }) => name),
    ['WS /'],
  )
  assert.deepEqual(report.errors, [])
  assert.equal((await within(peer.closed)).code, 1001)
})

test('nor where the service was being disposed before', async (t) => {
  const gate = Promise.withResolvers<void>()
  await using service = await Service.open(t, () => gate.promise)
  await using _peer = await service.connect()
  await accepted(service, 1)
  const disposing = dispose(service)
  await within(service.app.shutdown({ grace: 10, abortGrace: 10 }))
  await disposing
  assert.equal(service.watched[0]?.scope.state, 'open')
  gate.resolve()
})

test('closing the app closes the sockets too', async (t) => {
  await using service = await Service.open(t, listen)
  const peer = await service.connect()
  await accepted(service, 1)
  await within(service.app.close())
  assert.equal((await within(peer.closed)).code, 1001)
})

test('a lame duck goes on accepting, and says goodbye when it ends', async (t) => {
  const scopes: Scope[] = []
  await using service = await Service.open(t, async (socket, scope) => {
    scopes.push(scope)
    for await (const message of socket) await socket.send(message)
  })
  const early = await service.connect()
  await accepted(service, 1)
  const stop = new AbortController()
  const shutdown = service.app.shutdown({ ...endless, lameDuck: 60_000, signal: stop.signal })
  const late = await service.connect()
  for (const peer of [early, late]) {
    await peer.send('still there?')
    assert.equal(await next(peer), 'still there?')
  }
  assert.ok(scopes.every((scope) => scope.draining.aborted))
  stop.abort()
  for (const peer of [early, late]) assert.equal((await within(peer.closed)).code, 1001)
  await within(shutdown)
})

test('disposing twice, and while the app shuts down, is one end', async (t) => {
  await using service = await Service.open(t, listen)
  let closes = 0
  service.server.on('close', () => (closes += 1))
  const peer = await service.connect()
  await accepted(service, 1)
  await Promise.all([dispose(service), dispose(service), within(service.app.shutdown())])
  await dispose(service)
  assert.equal((await peer.closed).code, 1001)
  assert.equal(closes, 1)
})

test('a server that was closed by somebody else is no error', async (t) => {
  await using service = await Service.open(t, listen)
  const peer = await service.connect()
  await accepted(service, 1)
  service.server.close()
  await dispose(service)
  assert.equal((await within(peer.closed)).code, 1001)
})

test('visitors of its port who make no handshake are given a second, and hold up neither its end nor the app', async (t) => {
  await using service = await Service.open(t, listen)
  const peer = await service.connect()
  const { port, hostname } = new URL(urlOf(service.server))
  const visitor = dial(Number(port), hostname)
  t.after(() => visitor.destroy())
  await within(once(visitor, 'connect'))
  visitor.write('GET / HTTP/1.1\r\nHost: test\r\n')
  // The server has seen the visitor too.
  await using _later = await service.connect()
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const disposing = service.sockets[Symbol.asyncDispose]()
  assert.equal((await peer.closed).code, 1001)
  while (service.server.clients.size > 0) await quiet()
  await quiet()
  t.mock.timers.tick(999)
  assert.ok(await isPending(disposing))
  t.mock.timers.tick(1)
  await disposing
  t.mock.timers.reset()
  assert.deepEqual((await within(service.app.shutdown())).errors, [])
})

test('sockets that were connected before they were served are closed as well', async (t) => {
  const server = await openServer(t)
  const client = openClient(t, server)
  await within(Promise.all([once(client, 'open'), once(server, 'connection')]))
  const seen = closeOf(client)
  await using service = new Service(server, listen)
  await dispose(service)
  assert.deepEqual(await seen, [1001, ''])
})

test('a server that keeps no list of its clients is served and ended all the same', async (t) => {
  await using service = await Service.open(t, listen, { server: { clientTracking: false } })
  const peer = await service.connect()
  await accepted(service, 1)
  await dispose(service)
  assert.equal((await within(peer.closed)).code, 1001)
})

test('a socket that is accepted while the service ends is sent away with 1001, without a scope', async (t) => {
  await using service = await Service.open(t, listen)
  const client = openClient(t, service.server)
  const seen = closeOf(client)
  service.server.once('connection', () => assert.equal(service.watched.length, 0))
  // The service is the first listener: by then it must have ended.
  service.server.prependOnceListener(
    'connection',
    () => void service.sockets[Symbol.asyncDispose](),
  )
  assert.deepEqual(await seen, [1001, ''])
})

test('a send of a handler whose service ends rejects with ERR_SOCKET_CLOSED, and is no news', async (t) => {
  const sent = Promise.withResolvers<string | undefined>()
  await using service = await Service.open(t, async (socket) => {
    await listen(socket)
    const sending = socket.send('too late')
    sent.resolve(await codeOf(sending))
    await sending
  })
  const peer = await service.connect()
  await accepted(service, 1)
  await dispose(service)
  await within(peer.closed)
  assert.equal(await within(sent.promise), 'ERR_SOCKET_CLOSED')
  assert.deepEqual(service.reported, [])
})
