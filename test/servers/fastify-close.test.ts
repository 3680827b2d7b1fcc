/** `fastify.close()` with its `preClose` hook: the whole way down, for what Fastify alone would wait for without end. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { test } from 'node:test'

import { fastify } from 'fastify'
import { createApp } from 'unwind'
import { fastifyScope } from 'unwind/fastify'
import { graceful } from 'unwind/http'
import { connect, serveSockets } from 'unwind/ws'
import { WebSocketServer } from 'ws'

import { within } from '../core/support/promises.ts'
import { ask } from './support/client.ts'

/** Ends when the service begins to end. */
async function* events(draining: AbortSignal): AsyncGenerator<string> {
  yield 'hello '
  if (!draining.aborted) await once(draining, 'abort')
  yield 'bye'
}

test('an app that shuts down in the preClose hook of Fastify says goodbye to sockets and event streams', async () => {
  const app = createApp()
  const server = fastify()
  await server.register(fastifyScope, { app })
  server.addHook('preClose', async () => {
    // Fastify takes what it returns for an error.
    await app.shutdown({ grace: 5_000 })
  })
  const listening = Promise.withResolvers<void>()
  server.get('/', async ({ scope }) => {
    listening.resolve()
    return Readable.from(scope.stream(events(scope.draining)))
  })
  serveSockets(app, new WebSocketServer({ server: server.server }), async (socket) => {
    for await (const message of socket) await socket.send(message)
  })
  graceful(app, server.server, { linger: 0 })
  await server.listen({ port: 0, host: '127.0.0.1' })
  const { port } = server.server.address() as AddressInfo
  await using socket = await connect(`ws://127.0.0.1:${port}`)
  const asked = ask({ port }, '/')
  await within(listening.promise)
  await within(server.close())
  assert.equal((await within(asked)).body, 'hello bye')
  assert.deepEqual(await within(socket.closed), { code: 1001, reason: '', clean: true })
  assert.equal(app.state, 'closed')
})
