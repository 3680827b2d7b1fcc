/** Ways to close a server that `graceful` made graceful: all of them have to keep the same promises. */
// oxlint-disable-next-line import/no-unassigned-import -- what Nest keeps its decorators with
import 'reflect-metadata'

import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'

import { Module } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import fastify from 'fastify'
import { createApp, type App } from 'unwind'
import { graceful, listen, scoped } from 'unwind/http'

import { within } from '../../core/support/promises.ts'

/** A server that listens, and one way to close it. */
export interface Door {
  readonly app: App
  readonly server: Server
  readonly port: number
  /** Resolves once the server has closed. */
  close(): Promise<unknown>
}

export type OpenDoor = (t: TestContext, listener: RequestListener, linger: number) => Promise<Door>

/** Longer than any test may take. */
const endless = { grace: 60_000, abortGrace: 60_000 }

function gracefully(close: (server: Server, app: App) => Promise<unknown>): OpenDoor {
  return async (t, listener, linger) => {
    const app = createApp()
    const server = createServer(scoped(app, listener))
    graceful(app, server, { linger })
    return await opened(t, app, server, () => close(server, app))
  }
}

async function opened(
  t: TestContext,
  app: App,
  server: Server,
  close: () => Promise<unknown>,
): Promise<Door> {
  // Of a test that failed.
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  if (!server.listening) await within(once(server.listen(0, '127.0.0.1'), 'listening'))
  const { port } = server.address() as AddressInfo
  return { app, server, port, close }
}

export const doors: Readonly<Record<string, OpenDoor>> = {
  'server.close()': gracefully((server) => new Promise((resolve) => server.close(resolve))),
  'await using server': gracefully((server) => server[Symbol.asyncDispose]()),
  'app.shutdown()': gracefully((_server, app) => app.shutdown(endless)),
  'app.close()': gracefully((_server, app) => app.close()),
  'disposing what listen() gave': async (t, listener, linger) => {
    const app = createApp()
    const server = createServer(scoped(app, listener))
    const listening = await listen(app, server, { port: 0, host: '127.0.0.1', linger })
    return await opened(t, app, server, async () => listening[Symbol.asyncDispose]())
  },
  'fastify.close()': async (t, listener, linger) => {
    const app = createApp()
    const framework = fastify({ forceCloseConnections: false, return503OnClosing: false })
    graceful(app, framework.server, { linger })
    framework.all('*', (request, reply) => {
      reply.hijack()
      listener(request.raw, reply.raw)
    })
    await framework.listen({ port: 0, host: '127.0.0.1' })
    return await opened(t, app, framework.server, () => framework.close())
  },
  'close() of Nest': async (t, listener, linger) => {
    const app = createApp()
    const nest = await NestFactory.create(shop(), { logger: false })
    graceful(app, nest.getHttpServer() as Server, { linger })
    nest.use(listener)
    await nest.listen(0, '127.0.0.1')
    return await opened(t, app, nest.getHttpServer() as Server, () => nest.close())
  },
}

function shop(): new () => object {
  // oxlint-disable-next-line typescript/no-extraneous-class -- a module of Nest is one
  class Shop {}
  // What the decorator does, which not every Node.js can read.
  Module({})(Shop)
  return Shop
}
