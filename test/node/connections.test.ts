/** How `closing` ends connections: idle ones at once, busy ones with their answer, all of them after the grace. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import * as http from 'node:http'
import * as http2 from 'node:http2'
import * as net from 'node:net'
import { duplexPair } from 'node:stream'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { closing } from 'unwind/node'
import { isPending, quiet, rejection, within } from '../core/support/promises.ts'
import { connected, get, listening, received, upgrade } from './support/connections.ts'

/** Longer than any test may take. */
const endless = { grace: 60_000 }

test('connections between two requests, and those that never sent one, end at once', async (t) => {
  const server = closing(
    http.createServer((_request, response) => response.end('answer')),
    endless,
  )
  await listening(server)
  const silent = await connected(t, server)
  const idle = await connected(t, server)
  idle.write(get)
  await within(once(idle, 'data'))
  const ends = [received(silent), received(idle)]
  await within(server[Symbol.asyncDispose]())
  await Promise.all(ends)
})

test('a request in progress is answered whole, and its connection ends with the answer', async (t) => {
  const answer = Promise.withResolvers<http.ServerResponse>()
  const server = closing(
    http.createServer((_request, response) => answer.resolve(response)),
    endless,
  )
  await listening(server)
  const socket = await connected(t, server)
  socket.write(get)
  const response = await within(answer.promise)
  const disposing = server[Symbol.asyncDispose]()
  assert.ok(await isPending(disposing))
  const text = received(socket)
  response.end('the whole answer')
  await within(disposing)
  assert.match(await text, /\r\n\r\nthe whole answer$/)
})

test('an idle connection that is no socket ends too, and those behind it', async (t) => {
  const server = closing(
    http.createServer((_request, response) => response.end('answer')),
    endless,
  )
  await listening(server)
  const [near, far] = duplexPair()
  server.emit('connection', far)
  near.write(get)
  await within(once(near, 'data'))
  const idle = await connected(t, server)
  const ends = [text(near), received(idle)]
  await within(server[Symbol.asyncDispose]())
  await within(Promise.all(ends))
})

test('pipelined requests are all answered', async (t) => {
  const answers: http.ServerResponse[] = []
  const both = Promise.withResolvers<void>()
  const server = closing(
    http.createServer((_request, response) => {
      if (answers.push(response) === 2) both.resolve()
    }),
    endless,
  )
  await listening(server)
  const socket = await connected(t, server)
  socket.write(get + get)
  await within(both.promise)
  const disposing = server[Symbol.asyncDispose]()
  const text = received(socket)
  for (const [index, answer] of answers.entries()) answer.end(`answer ${index}`)
  await within(disposing)
  assert.match(await text, /answer 0[^]*answer 1$/)
})

test('an answer that is finished but not delivered is not cut', async (t) => {
  const size = 32 * 1024 * 1024
  const ended = Promise.withResolvers<void>()
  const server = closing(
    http.createServer((_request, response) => {
      response.end('x'.repeat(size))
      ended.resolve()
    }),
    endless,
  )
  await listening(server)
  const socket = await connected(t, server)
  socket.pause()
  socket.write(get)
  await within(ended.promise)
  const disposing = server[Symbol.asyncDispose]()
  await quiet()
  const text = await received(socket.resume())
  assert.equal(text.length - text.indexOf('\r\n\r\n') - 4, size)
  await within(disposing)
})

test('a request that is never answered is cut after the grace', async (t) => {
  const asked = Promise.withResolvers<void>()
  const server = closing(
    http.createServer(() => asked.resolve()),
    { grace: 20 },
  )
  await listening(server)
  const socket = await connected(t, server)
  socket.write(get)
  await within(asked.promise)
  const text = received(socket)
  await within(server[Symbol.asyncDispose]())
  assert.equal(await text, '')
})

test('a raw connection may end by itself, and is cut after the grace', async (t) => {
  const patient = closing(net.createServer(), endless)
  await listening(patient)
  const ending = await connected(t, patient)
  const disposing = patient[Symbol.asyncDispose]()
  assert.ok(await isPending(disposing))
  ending.end()
  await within(disposing)

  const strict = closing(net.createServer(), { grace: 20 })
  await listening(strict)
  const staying = await connected(t, strict)
  await within(Promise.all([strict[Symbol.asyncDispose](), received(staying)]))
})

test('an upgraded connection is busy until it ends or the grace is over', async (t) => {
  const server = closing(http.createServer(), { grace: 20 })
  server.on('upgrade', (_request, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\n')
    // It is cut.
    socket.on('error', () => {})
  })
  await listening(server)
  const socket = await connected(t, server)
  socket.write(upgrade)
  await within(once(socket, 'data'))
  const end = received(socket)
  const disposing = server[Symbol.asyncDispose]()
  assert.ok(!socket.closed)
  await within(Promise.all([disposing, end]))
})

test('a connection that is older than closing() is cut too where the server knows it', async (t) => {
  const asked = Promise.withResolvers<void>()
  const server = http.createServer(() => asked.resolve())
  await listening(server)
  const socket = await connected(t, server)
  socket.write(get)
  await within(asked.promise)
  const late = closing(server, { grace: 20 })
  await within(Promise.all([late[Symbol.asyncDispose](), received(socket)]))
})

test('where something outlives even the grace, disposing says so', async (t) => {
  const server = net.createServer()
  await listening(server)
  const socket = await connected(t, server)
  // Of an older connection nothing is known.
  const late = closing(server, { grace: 0 })
  const error = await rejection(late[Symbol.asyncDispose]())
  assert.ok(error instanceof Error && 'code' in error)
  assert.equal(error.code, 'ERR_DISPOSE_TIMEOUT')
  socket.destroy()
  await within(once(server, 'close'))
})

test('sessions of HTTP/2 end with their last stream, idle ones at once', async (t) => {
  const answer = Promise.withResolvers<http2.Http2ServerResponse>()
  const server = closing(
    http2.createServer((_request, response) => answer.resolve(response)),
    endless,
  )
  const port = await listening(server)
  const sessions = ['idle', 'busy'].map(() => http2.connect(`http://127.0.0.1:${port}`))
  t.after(() => sessions.map((session) => session.destroy()))
  await within(Promise.all(sessions.map((session) => once(session, 'connect'))))
  const [idle, busy] = sessions
  assert.ok(idle !== undefined && busy !== undefined)
  const stream = busy.request()
  const response = await within(answer.promise)
  const idleEnds = once(idle, 'close')
  const disposing = server[Symbol.asyncDispose]()
  await within(idleEnds)
  assert.ok(await isPending(disposing))
  response.end('the whole answer')
  assert.equal(Buffer.concat(await within(stream.toArray())).toString(), 'the whole answer')
  await within(disposing)
})
