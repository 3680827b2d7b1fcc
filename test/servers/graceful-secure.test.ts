/** The promises of a graceful server over TLS, and over HTTP/2 with its sessions. */
import assert from 'node:assert/strict'
import { once, type EventEmitter } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import type { RequestListener } from 'node:http'
import * as http2 from 'node:http2'
import { createServer } from 'node:https'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { duplexPair } from 'node:stream'
import { test, type TestContext } from 'node:test'
import * as tls from 'node:tls'

import { createApp, type App } from 'unwind'
import { graceful, listen, scoped } from 'unwind/http'

import { get, large } from '../../bench/shutdown/clients.ts'
import { isPending, quiet, within } from '../core/support/promises.ts'
import { clientSecrets, secrets } from './support/other-clients.ts'

const host = '127.0.0.1'
const linger = 50

async function secure(listener: RequestListener): Promise<{ app: App; port: number }> {
  const app = createApp()
  const server = createServer(secrets, scoped(app, listener))
  const { port } = await listen(app, server, { port: 0, host, linger })
  return { app, port }
}

async function dial(t: TestContext, port: number): Promise<tls.TLSSocket> {
  const socket = tls.connect({ port, host, ...clientSecrets })
  t.after(() => socket.destroy())
  socket.on('error', () => {})
  await within(once(socket, 'secureConnect'))
  return socket
}

test('over TLS, an answer on its way to a slow reader is delivered whole', async (t) => {
  const body = Buffer.alloc(large, 'x')
  const { app, port } = await secure((_request, response) => response.end(body))
  const socket = await dial(t, port)
  socket.write(get('/'))
  await within(once(socket, 'readable'))
  const shutdown = app.shutdown()
  for (let i = 0; i < 20; i += 1) await quiet()
  const text = (await within(socket.toArray())).join('')
  assert.equal(text.length - text.indexOf('\r\n\r\n') - 4, large)
  assert.deepEqual((await within(shutdown)).errors, [])
})

test('over TLS, connections that are silent, idle, or never shook hands end', async (t) => {
  const { app, port } = await secure((_request, response) => response.end('done'))
  const mute = connect(port, host).on('error', () => {})
  await within(once(mute, 'connect'))
  const silent = await dial(t, port)
  const idle = await dial(t, port)
  idle.write(get('/'))
  await within(once(idle, 'data'))
  const ends = [mute, silent, idle].map((socket) => once(socket.resume(), 'close'))
  await within(app.shutdown())
  await within(Promise.all(ends))
})

test('over TLS on a stream that is no socket, an answer that takes its time is delivered whole', async (t) => {
  const asked = Promise.withResolvers<() => void>()
  const app = createApp()
  const listener = scoped(app, (_request, response) =>
    asked.resolve(() => response.end('the whole answer')),
  )
  const server = createServer(secrets, listener)
  const { port } = await listen(app, server, { port: 0, host, linger: 0 })
  const [ours, theirs] = duplexPair()
  server.emit('connection', ours)
  const socket = tls.connect({ socket: theirs, ...clientSecrets })
  t.after(() => socket.destroy())
  socket.on('error', () => {})
  socket.write(get('/'))
  const answer = await within(asked.promise)
  const mute = connect(port, host)
  await within(once(mute, 'connect'))
  const shutdown = app.shutdown()
  await within(once(mute.on('error', () => {}).resume(), 'close'))
  answer()
  assert.match((await within(socket.toArray())).join(''), /\r\n\r\nthe whole answer$/)
  assert.deepEqual((await within(shutdown)).errors, [])
})

test('over TLS, one in the middle of its handshake is not idle while the server goes on', async (t) => {
  const app = createApp()
  t.after(() => app.close())
  const server = createServer(secrets)
  const { port } = await listen(app, server, { port: 0, host, linger })
  const accepted: Socket[] = []
  server.on('connection', (socket: Socket) => accepted.push(socket))
  const [mute, shaking] = [connect(port, host), connect(port, host)]
  for (const socket of [mute, shaking]) socket.on('error', () => {}).resume()
  // The head of a first record, which is longer than what comes of it.
  shaking.write(Buffer.from([22, 3, 1, 2, 0]))
  const haveCome = (): boolean =>
    accepted.length === 2 && accepted.some(({ bytesRead }) => bytesRead > 0)
  for (let turns = 0; !haveCome() && turns < 10_000; turns += 1) await quiet()
  assert.ok(haveCome())
  server.closeIdleConnections()
  await within(once(mute, 'close'))
  for (let i = 0; i < 20; i += 1) await quiet()
  assert.equal(shaking.destroyed, false)
})

for (const [kind, create] of [
  ['HTTP', () => createServer(secrets)],
  ['HTTP/2', () => http2.createSecureServer(secrets)],
] as const) {
  test(
    `of ${kind} over TLS and a unix socket, all that never shook hands end`,
    { skip: process.platform === 'win32' },
    async (t) => {
      const folder = await mkdtemp(join(tmpdir(), 'unwind-secure-'))
      t.after(() => rm(folder, { recursive: true, force: true }))
      const path = join(folder, 'socket')
      const app = createApp()
      const server = create()
      graceful(app, server, { linger })
      await within(once(server.listen(path), 'listening'))
      const mutes = [1, 2].map(() => connect(path).on('error', () => {}))
      await within(Promise.all(mutes.map((mute) => once(mute, 'connect'))))
      const ends = mutes.map((socket) => once(socket.resume(), 'close'))
      await within(app.shutdown())
      await within(Promise.all(ends))
    },
  )
}

async function served(listener: RequestListener): Promise<{ app: App; url: string }> {
  const app = createApp()
  const server = http2.createServer()
  const events: EventEmitter = server
  events.on('request', scoped(app, listener))
  const { url } = await listen(app, server, { port: 0, host, linger })
  return { app, url }
}

async function session(t: TestContext, url: string): Promise<http2.ClientHttp2Session> {
  const client = http2.connect(url)
  t.after(() => client.destroy())
  client.on('error', () => {})
  await within(once(client, 'connect'))
  return client
}

test('sessions of HTTP/2 are told to go away: idle ones at once, busy ones after their last stream', async (t) => {
  const asked = Promise.withResolvers<() => void>()
  const { app, url } = await served((_request, response) =>
    asked.resolve(() => response.end('the whole answer')),
  )
  const idle = await session(t, url)
  const busy = await session(t, url)
  const stream = busy.request({ ':path': '/' })
  const answer = await within(asked.promise)
  const farewells = [idle, busy].map((client) => once(client, 'goaway'))
  const ends = [idle, busy].map((client) => once(client, 'close'))
  const shutdown = app.shutdown()
  await within(Promise.all(farewells))
  await within(ends[0] ?? Promise.reject(new Error('There are two.')))
  assert.ok(await isPending(shutdown))
  answer()
  assert.equal(Buffer.concat(await within(stream.toArray())).toString(), 'the whole answer')
  assert.deepEqual((await within(shutdown)).errors, [])
  await within(Promise.all(ends))
})

test('a large answer of HTTP/2 on its way to a slow reader is delivered whole', async (t) => {
  const body = Buffer.alloc(large, 'x')
  const { app, url } = await served((_request, response) => response.end(body))
  const client = await session(t, url)
  const stream = client.request({ ':path': '/' })
  await within(once(stream, 'readable'))
  const shutdown = app.shutdown()
  for (let i = 0; i < 20; i += 1) await quiet()
  let bytes = 0
  for await (const chunk of stream) bytes += (chunk as Buffer).length
  assert.equal(bytes, large)
  assert.deepEqual((await within(shutdown)).errors, [])
})
