/** How `closing` ends connections over TLS: those without a handshake and idle ones at once, busy ones with their answer. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import * as http2 from 'node:http2'
import * as https from 'node:https'
import type * as net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { duplexPair } from 'node:stream'
import { test, type TestContext } from 'node:test'
import * as tls from 'node:tls'
import { closing } from 'unwind/node'
import { isPending, quiet, within } from '../core/support/promises.ts'
import { clientSecrets, secrets } from '../servers/support/other-clients.ts'
import { connected, get, listening, portOf, received } from './support/connections.ts'

/** Longer than any test may take. */
const endless = { grace: 60_000 }

/** A server, and the answer that it has to give to the first who asks. */
function busyServer(): {
  readonly server: https.Server & AsyncDisposable
  readonly asked: Promise<ServerResponse>
} {
  const { promise, resolve } = Promise.withResolvers<ServerResponse>()
  const server = https.createServer(secrets, (_request, response) => resolve(response))
  return { server: closing(server, endless), asked: promise }
}

function dial(t: TestContext, options: tls.ConnectionOptions): tls.TLSSocket {
  const socket = tls.connect({ ...clientSecrets, ...options })
  t.after(() => socket.destroy())
  return socket
}

test('idle connections end at once and busy ones with their answer', async (t) => {
  const { server, asked } = busyServer()
  await listening(server)
  const idle = dial(t, { port: portOf(server) })
  const busy = dial(t, { port: portOf(server) })
  await within(Promise.all([idle, busy].map((socket) => once(socket, 'secureConnect'))))
  busy.write(get)
  const response = await within(asked)
  const idleEnds = received(idle)
  const text = received(busy)
  const disposing = server[Symbol.asyncDispose]()
  await idleEnds
  assert.ok(await isPending(disposing))
  response.end('the whole answer')
  await within(disposing)
  assert.match(await text, /\r\n\r\nthe whole answer$/)
})

for (const [kind, create] of [
  ['tls', () => tls.createServer()],
  ['https', () => https.createServer()],
  ['http2 over TLS', () => http2.createSecureServer()],
] as const) {
  test(`of a server of ${kind}, connections without a handshake end at once`, async (t) => {
    const server = closing<net.Server>(create(), endless)
    await listening(server)
    const silent = await connected(t, server)
    const cut = new Promise<void>((resolve) => silent.once('close', () => resolve()))
    await within(Promise.all([server[Symbol.asyncDispose](), cut]))
  })
}

test(
  'over a unix socket, where all look alike, those end at once too, and busy ones with their answer',
  { skip: process.platform === 'win32' },
  async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'unwind-closing-'))
    t.after(() => rm(folder, { recursive: true, force: true }))
    const path = join(folder, 'socket')
    const { server, asked } = busyServer()
    await within(once(server.listen(path), 'listening'))
    const older = await connected(t, server)
    const busy = dial(t, { path })
    await within(once(busy, 'secureConnect'))
    const newer = await connected(t, server)
    busy.write(get)
    const response = await within(asked)
    const ends = [received(older), received(newer)]
    const text = received(busy)
    const disposing = server[Symbol.asyncDispose]()
    await Promise.all(ends)
    assert.ok(await isPending(disposing))
    response.end('the whole answer')
    await within(disposing)
    assert.match(await text, /\r\n\r\nthe whole answer$/)
  },
)

test('on a stream that is no socket, a busy connection ends with its answer', async (t) => {
  const { server, asked } = busyServer()
  await listening(server)
  const [ours, theirs] = duplexPair()
  server.emit('connection', ours)
  const busy = dial(t, { socket: theirs })
  busy.write('GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n')
  const response = await within(asked)
  const chunks = busy.toArray()
  const disposing = server[Symbol.asyncDispose]()
  await quiet()
  response.end('the whole answer')
  await within(disposing)
  assert.match(Buffer.concat(await within(chunks)).toString(), /\r\n\r\nthe whole answer$/)
})
