/** The way in: a socket that is open when it is handed out, or an error that says why it is not. */
import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { createApp, tryCurrentScope } from 'unwind'
import { connect, socket } from 'unwind/ws'
import { WebSocket } from 'ws'

import { listen } from '../core/support/channels.ts'
import { isPending, quiet, rejection, within } from '../core/support/promises.ts'
import { closeOf, openServer, urlOf } from './support/peers.ts'
import { watchTimers } from './support/timers.ts'

interface Failure extends Error {
  readonly code?: string
}

async function listening(t: TestContext, server: Server): Promise<string> {
  t.after(() => server.close())
  await within(once(server.listen(0, '127.0.0.1'), 'listening'))
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}`
}

test('connect() takes a string or a URL, and resolves with an open socket', async (t) => {
  const server = await openServer(t)
  for (const url of [urlOf(server), new URL(urlOf(server))]) {
    await using held = await connect(url)
    assert.equal(held.state, 'open')
    assert.equal(server.clients.size, 1)
  }
  while (server.clients.size > 0) await quiet()
})

test('it offers no compression, within which a bad frame could end the process; a class of the caller may', async (t) => {
  const server = await openServer(t, { perMessageDeflate: true })
  const offers: (string | undefined)[] = []
  server.on('connection', (_raw, { headers }) => {
    offers.push(headers['sec-websocket-extensions'])
  })
  await using _plain = await connect(urlOf(server))
  await using _compressing = await connect(urlOf(server), { WebSocket })
  assert.deepEqual(
    offers.map((offer) => offer?.includes('permessage-deflate')),
    [undefined, true],
  )
})

test('the options of sockets apply to it', async (t) => {
  const server = await openServer(t)
  server.on('connection', (raw) => raw.pause())
  const held = await connect(urlOf(server), { grace: 20, maxBuffered: 10 })
  const error = (await rejection(held.send('more than ten'))) as Failure
  assert.equal(error.code, 'ERR_SOCKET_OVERFLOW')
  await within(held.closed)
})

test('a port where nobody listens rejects with ERR_SOCKET_CONNECT, and says where and why', async () => {
  const error = (await rejection(connect('ws://127.0.0.1:1/orders'))) as Failure
  assert.equal(error.code, 'ERR_SOCKET_CONNECT')
  assert.match(error.message, /ws:\/\/127\.0\.0\.1:1\/orders/)
  assert.match(error.message, /ECONNREFUSED/)
  assert.equal((error.cause as Failure).code, 'ECONNREFUSED')
})

test('neither a password nor a query of the URL is told', async () => {
  const error = await rejection(connect('ws://user:secret@127.0.0.1:1/orders?token=secret'))
  assert.match(String(error), /ws:\/\/127\.0\.0\.1:1\/orders failed/)
  assert.doesNotMatch(String(error), /secret/)
  for (const wrong of ['ftp://user:secret@host', 'ws://a:secret@host/#b', 'ws://a:secret@:-1']) {
    const refused = await rejection(connect(wrong))
    assert.match(String(refused), /received '(ftp|ws):…'/)
  }
})

test('a server that never answers is given 30 s, and then left', async (t) => {
  const accepted = Promise.withResolvers<Socket>()
  const url = await listening(
    t,
    createServer((raw) => accepted.resolve(raw.resume())),
  )
  const published = listen(t, 'unwind:resource:timeout')
  t.mock.timers.enable({ apis: ['setTimeout'] })
  // Not with a bound of its own, which would be over at the same time.
  const failing = connect(url).then(
    () => undefined,
    (error: unknown) => error,
  )
  const raw = await accepted.promise
  t.mock.timers.tick(29_999)
  assert.ok(await isPending(failing))
  t.mock.timers.tick(1)
  const error = (await failing) as Failure
  assert.equal(error.code, 'ERR_SOCKET_CONNECT')
  assert.match(error.message, /The handshake took longer than 30000 ms\.$/)
  assert.equal((error.cause as Error).name, 'TimeoutError')
  assert.equal(published.length, 1)
  if (!raw.closed) await once(raw, 'close')
})

test('of a host with several addresses, the reasons of all are told', async () => {
  const error = (await rejection(connect('ws://localhost:1'))) as Failure
  assert.equal(error.code, 'ERR_SOCKET_CONNECT')
  assert.match(error.message, /ECONNREFUSED/)
})

for (const status of [401, 404, 503]) {
  test(`a server that refuses the upgrade with ${status} rejects with ERR_SOCKET_CONNECT`, async (t) => {
    const server = createHttpServer()
    server.on('upgrade', (_request, raw) => {
      raw.end(`HTTP/1.1 ${status} No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
    })
    const error = (await rejection(connect(await listening(t, server)))) as Failure
    assert.equal(error.code, 'ERR_SOCKET_CONNECT')
    assert.match(error.message, new RegExp(String(status)))
  })
}

test('a server that hangs up in the middle of the handshake rejects with ERR_SOCKET_CONNECT', async (t) => {
  const url = await listening(
    t,
    createServer((raw) => raw.once('data', () => raw.destroy())),
  )
  const error = (await rejection(connect(url))) as Failure
  assert.equal(error.code, 'ERR_SOCKET_CONNECT')
})

test('a signal that has aborted rejects with its reason, and nobody is called', async (t) => {
  const server = await openServer(t)
  const reason = new Error('changed my mind')
  server.on('connection', () => assert.fail('Somebody came.'))
  assert.equal(
    await rejection(connect(urlOf(server), { signal: AbortSignal.abort(reason) })),
    reason,
  )
})

test('a signal that aborts right after the call rejects with its reason, and nobody is called', async (t) => {
  const server = await openServer(t)
  let calls = 0
  server.on('connection', () => (calls += 1))
  const controller = new AbortController()
  const connecting = rejection(connect(urlOf(server), { signal: controller.signal }))
  const reason = new Error('changed my mind')
  controller.abort(reason)
  assert.equal(await connecting, reason)
  await using _later = await connect(urlOf(server))
  assert.equal(calls, 1)
})

test('a signal that aborts in the middle rejects with its reason, and leaves nothing open', async (t) => {
  const closed = Promise.withResolvers<void>()
  const called = Promise.withResolvers<void>()
  const url = await listening(
    t,
    createServer((raw) => {
      called.resolve()
      raw
        .on('error', () => {})
        .once('close', () => closed.resolve())
        .resume()
    }),
  )
  const controller = new AbortController()
  const connecting = rejection(connect(url, { signal: controller.signal }))
  await within(called.promise)
  const reason = new Error('changed my mind')
  controller.abort(reason)
  assert.equal(await connecting, reason)
  await within(closed.promise)
})

test('a signal has no effect on an open socket, and keeps no listener', async (t) => {
  const server = await openServer(t)
  const controller = new AbortController()
  using timers = watchTimers()
  const held = await connect(urlOf(server), { signal: controller.signal, heartbeat: 0 })
  controller.abort()
  await quiet()
  assert.equal(held.state, 'open')
  await within(held.close())
  await quiet()
  assert.equal(timers.alive, 0)
})

test('a class of your own is used: with its protocols, its headers', async (t) => {
  const server = await openServer(t, { handleProtocols: () => 'orders' })
  const requests = once(server, 'connection')
  class Mine extends WebSocket {
    constructor(url: string | URL) {
      super(url, ['orders'], { headers: { authorization: 'Bearer token' } })
    }
  }
  await using held = await connect(urlOf(server), { WebSocket: Mine })
  const [raw, request] = await within(requests)
  assert.equal(raw.protocol, 'orders')
  assert.equal(request.headers.authorization, 'Bearer token')
  assert.equal(held.state, 'open')
})

test('a class of another kind is refused, and its connection is not left open', async (t) => {
  const server = await openServer(t)
  let closed = 0
  class Foreign {
    close(): void {
      closed += 1
    }
  }
  const error = await rejection(connect(urlOf(server), { WebSocket: Foreign }))
  assert.ok(error instanceof TypeError)
  assert.match(error.message, /connect\(\).*`ws` package/)
  assert.equal(closed, 1)
})

test('nor does it end the process where it says by an event that it was given up', async () => {
  const told = Promise.withResolvers<boolean>()
  class Foreign extends EventEmitter {
    close(): void {
      // Without a listener it would throw.
      told.resolve(this.emit('error', new Error('given up')))
    }
  }
  const error = await rejection(connect('ws://127.0.0.1:1', { WebSocket: Foreign }))
  assert.ok(error instanceof TypeError)
  assert.ok(await told.promise)
})

test('one that does not say what went wrong was not too late for that', async (t) => {
  const url = await listening(
    t,
    createServer((raw) => raw.destroy()),
  )
  const published = listen(t, 'unwind:resource:timeout')
  for (const [said, wanted] of [
    [undefined, /failed: The peer of the socket broke off without a close frame\.$/],
    ['out of paper', /failed: it was not said why\.$/],
  ] as const) {
    class Silent extends WebSocket {
      override emit(event: string | symbol, ...parameters: unknown[]): boolean {
        if (event !== 'error') return super.emit(event, ...parameters)
        return said === undefined || super.emit(event, said)
      }
    }
    const error = (await rejection(connect(url, { WebSocket: Silent }))) as Failure
    assert.equal(error.code, 'ERR_SOCKET_CONNECT')
    assert.match(error.message, wanted)
    assert.notEqual(error.cause, undefined)
  }
  assert.deepEqual(published, [])
})

test('what is no URL, and options that are none, are refused by name', async () => {
  for (const url of ['', 'nowhere', '/orders', 'ftp://127.0.0.1', 'ws://127.0.0.1:1/#orders']) {
    const error = await rejection(connect(url))
    assert.ok(error instanceof TypeError)
    assert.match(error.message, /the URL given to connect\(\)/)
  }
  const noClass = { WebSocket: () => ({}) }
  for (const options of [{ timeout: 1 }, { signal: {} }, noClass, { grace: -1 }]) {
    // @ts-expect-error -- as from JavaScript
    const error = await rejection(connect('ws://127.0.0.1:1', options))
    assert.ok(error instanceof TypeError)
    assert.match(error.message, new RegExp(Object.keys(options).join()))
  }
})

test('a connection does not keep the request that made it', async (t) => {
  const server = await openServer(t)
  await using app = createApp()
  let contexts: unknown[] = []
  class Watching extends WebSocket {
    override emit(event: string | symbol, ...parameters: unknown[]): boolean {
      contexts.push(tryCurrentScope())
      return super.emit(event, ...parameters)
    }
  }
  const held = await app.run(() => connect(urlOf(server), { WebSocket: Watching }))
  contexts = []
  const [raw] = server.clients
  raw?.send('hello')
  await within(held[Symbol.asyncIterator]().next())
  assert.ok(contexts.length > 0)
  assert.deepEqual(new Set(contexts), new Set([undefined]))
  await within(held.close())
})

test('both ends can be sockets of this package', async (t) => {
  const server = await openServer(t)
  const accepted = once(server, 'connection')
  await using there = await connect(urlOf(server))
  const [raw] = (await within(accepted)) as [WebSocket]
  const here = socket(raw)
  const seen = closeOf(raw)
  await Promise.all([within(here.close(4000, 'a')), within(there.close(4001, 'b'))])
  assert.deepEqual(await seen, [4001, 'b'])
  assert.ok((await here.closed).clean)
})
