/** `closing` in every state of a server: it ends, and that it was not listening is no error. */
import assert from 'node:assert/strict'
import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import * as http from 'node:http'
import * as http2 from 'node:http2'
import * as https from 'node:https'
import * as net from 'node:net'
import { test } from 'node:test'
import * as tls from 'node:tls'
import { closing } from 'unwind/node'
import { isPending, quiet, rejection, within } from '../core/support/promises.ts'
import { connected, get, listening } from './support/connections.ts'

/** Longer than any test may take. */
const endless = { grace: 60_000 }

const kinds = {
  net: () => net.createServer(),
  tls: () => tls.createServer(),
  http: () => http.createServer(),
  https: () => https.createServer(),
  http2: () => http2.createServer(),
}

for (const [kind, create] of Object.entries(kinds)) {
  test(`a server of ${kind} that never listened is disposed without an error`, async () => {
    const server = closing<net.Server>(create())
    assert.equal(await within(server[Symbol.asyncDispose]()), undefined)
    assert.equal(await within(server[Symbol.asyncDispose]()), undefined)
  })

  test(`a server of ${kind} that listens is closed`, async () => {
    const server = closing<net.Server>(create())
    await listening(server)
    await within(server[Symbol.asyncDispose]())
    assert.equal(server.listening, false)
  })
}

test('it is the same server, and its type', () => {
  const server = http.createServer()
  assert.equal(closing(server), server)
  assert.ok(!Object.keys(server).includes(String(Symbol.asyncDispose)))
})

test('a server that cannot listen leaves the block with that error alone', async (t) => {
  const other = net.createServer()
  const port = await listening(other)
  t.after(() => other.close())
  const error = await rejection(
    (async () => {
      await using server = closing(http.createServer())
      server.listen(port, '127.0.0.1')
      await once(server, 'listening')
    })(),
  )
  assert.ok(error instanceof Error && 'code' in error)
  assert.equal(error.code, 'EADDRINUSE')
})

test('a server that is still looking its host up never listens', async () => {
  const server = closing(http.createServer())
  server.listen(0, 'localhost')
  await within(server[Symbol.asyncDispose]())
  await lookup('localhost')
  await quiet()
  assert.equal(server.listening, false)
})

test('a server that was closed by hand is disposed without an error', async () => {
  const server = closing(http.createServer())
  let closes = 0
  server.on('close', () => (closes += 1))
  await listening(server)
  server.close()
  await within(server[Symbol.asyncDispose]())
  await within(server[Symbol.asyncDispose]())
  await quiet()
  assert.equal(closes, 1)
})

test('a second dispose waits for the first', async (t) => {
  const answer = Promise.withResolvers<http.ServerResponse>()
  const server = closing(
    http.createServer((_request, response) => answer.resolve(response)),
    endless,
  )
  await listening(server)
  const socket = await connected(t, server)
  socket.write(get)
  const response = await within(answer.promise)
  const disposals = [server[Symbol.asyncDispose](), server[Symbol.asyncDispose]()]
  assert.ok(await isPending(Promise.race(disposals)))
  socket.resume()
  response.end()
  await within(Promise.all(disposals))
})

test('a server that listens again is closed again', async () => {
  const server = closing(http.createServer())
  for (const _time of ['first', 'second']) {
    await listening(server)
    await within(server[Symbol.asyncDispose]())
    assert.equal(server.listening, false)
  }
})

test('what is no server and no option is refused by name', () => {
  assert.throws(() => closing({} as net.Server), /first argument of closing\(\)/)
  assert.throws(() => closing(undefined as never), /first argument of closing\(\)/)
  assert.throws(() => closing(net.createServer(), { grace: -1 }), /`grace` of closing\(\)/)
  assert.throws(
    () => closing(net.createServer(), { linger: 1 } as never),
    /`linger` of closing\(\)/,
  )
})
