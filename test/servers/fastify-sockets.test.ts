/** WebSockets over @fastify/websocket, whose requests have a response that nobody ends: the scope ends with the socket. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, test } from 'node:test'
import websocket from '@fastify/websocket'
import { fastify, type FastifyRequest } from 'fastify'
import type { App } from 'unwind'
import { fastifyScope, type AdapterOptions } from 'unwind/fastify'
import type { WebSocket } from 'ws'

import type { Opened } from './support/kinds.ts'
import { Site } from './support/site.ts'
import { checkOpenUntil, connect, departures } from './support/upgraded.ts'

type Route = (socket: WebSocket, request: FastifyRequest) => void | Promise<void>

/** It would be noticed if one was abandoned. */
const patient: AdapterOptions = { abandonAfter: 60_000 }

function open(first: 'scope' | 'sockets', route: Route, options = patient): Promise<Site> {
  return Site.serve({ open: make }, async () => ({}))
  async function make(app: App): Promise<Opened> {
    const server = fastify()
    if (first === 'sockets') await server.register(websocket)
    await server.register(fastifyScope, { app, ...options })
    if (first === 'scope') await server.register(websocket)
    server.get('/', { websocket: true }, route)
    await server.ready()
    return { server: server.server, stop: () => server.close() }
  }
}

for (const first of ['scope', 'sockets'] as const) {
  describe(`with the ${first} registered first`, () => {
    for (const [how, leave] of departures) {
      test(`the scope is open until its client ${how}, and closed then`, async () => {
        await using site = await open(first, (socket, { scope }) => {
          site.watch(scope)
          socket.on('message', () => socket.send(scope.state))
        })
        await checkOpenUntil(leave, site)
      })
    }

    test('the time of a request is that of its socket, which is closed without an answer', async () => {
      await using site = await open(first, (_, { scope }) => void site.watch(scope), {
        timeout: 20,
      })
      const socket = await connect(site)
      const [code] = await once(socket, 'close')
      assert.equal(code, 1006)
      assert.deepEqual(await site.statuses(), ['aborted'])
    })
  })
}

test('a handler whose end is seen has ended before anything is released', async () => {
  const left = Promise.withResolvers<void>()
  const log: string[] = []
  await using site = await open('scope', async (socket, { scope }) => {
    site.watch(scope)
    scope.defer(() => log.push('released'))
    await once(socket, 'close')
    await left.promise
    log.push('ended')
  })
  const socket = await connect(site)
  socket.close()
  await once(socket, 'close')
  left.resolve()
  await site.outcomes()
  assert.deepEqual(log, ['ended', 'released'])
})
