/** The ways of ending a server that are compared. Each takes over at SIGTERM, and says when it has ended. */
import type { RequestListener, Server } from 'node:http'
import { createServer } from 'node:http'

import { createTerminus } from '@godaddy/terminus'
import fastify from 'fastify'
import gracefulShutdown from 'http-graceful-shutdown'
import stoppable from 'stoppable'
import { createApp } from 'unwind'
import { graceful } from 'unwind/http'
import { shutdownOnSignals } from 'unwind/node'

/** Makes a server that ends with its process at SIGTERM. */
export type Strategy = (listener: RequestListener) => Server

export const strategies: Readonly<Record<string, Strategy>> = {
  'server.close()': (listener) => {
    const server = createServer(listener)
    process.on('SIGTERM', () => server.close(exit))
    return server
  },
  'close() + closeAllConnections()': (listener) => {
    const server = createServer(listener)
    process.on('SIGTERM', () => {
      server.close(exit)
      setTimeout(() => server.closeAllConnections(), patience)
    })
    return server
  },
  stoppable: (listener) => {
    const server = stoppable(createServer(listener), patience)
    process.on('SIGTERM', () => server.stop(exit))
    return server
  },
  '@godaddy/terminus': (listener) => {
    const server = createServer(listener)
    // By default it has a second, which is less than the slow request takes.
    createTerminus(server, { signals: ['SIGTERM'], timeout: patience, useExit0: true })
    return server
  },
  'http-graceful-shutdown': (listener) => {
    const server = createServer(listener)
    gracefulShutdown(server, { signals: 'SIGTERM', timeout: patience })
    return server
  },
  'fastify.close()': (listener) => {
    const app = fastify({
      serverFactory: (handler) => createServer(handler),
    })
    app.all('*', (request, reply) => {
      reply.hijack()
      listener(request.raw, reply.raw)
    })
    void app.ready()
    process.on('SIGTERM', () => void app.close().then(exit))
    return app.server
  },
  'unwind, linger: 0': (listener) => unwound(listener, 0, 0),
  unwind: (listener) => unwound(listener, 500, 0),
  'unwind, lameDuck: 300': (listener) => unwound(listener, 500, 300),
}

/** Milliseconds that each strategy has, where it has a bound. */
const patience = 5_000

function unwound(listener: RequestListener, linger: number, lameDuck: number): Server {
  const app = createApp()
  const server = createServer(listener)
  graceful(app, server, { linger })
  shutdownOnSignals(app, { lameDuck, grace: patience })
  return server
}

function exit(): void {
  // oxlint-disable-next-line unicorn/no-process-exit -- the end of the service is what is looked at
  process.exit(0)
}
