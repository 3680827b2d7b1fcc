/** What happens while the first pieces of an answer are looked at, before any of it is sent. */
import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import { test } from 'node:test'

import { createAdaptorServer } from '@hono/node-server'
import fastify, { type RouteHandlerMethod } from 'fastify'
import { Hono } from 'hono'
import Koa from 'koa'
import { createApp, currentScope, type App, type Scope } from 'unwind'
import { fastifyScope } from 'unwind/fastify'
import { honoFetch } from 'unwind/hono'
import { handle, listen, type AdapterOptions } from 'unwind/http'
import { koaListener } from 'unwind/koa'

import { ask, Peer } from './support/client.ts'
import { turn } from './support/scoped-site.ts'

type Make = () => ReadableStream

type Open = (app: App, make: Make, options: AdapterOptions) => Server | Promise<Server>

const large = Buffer.alloc(70_000)

const servers: Readonly<Record<string, Open>> = {
  handle: (app, make, options) => createServer(handle(app, make, options)),
  Koa: (app, make, options) => {
    const koa = new Koa()
    koa.silent = true
    koa.use((ctx) => {
      ctx.body = make()
    })
    return createServer(koaListener(app, koa, options))
  },
  Fastify: (app, make, options) => fastified(app, async () => make(), options),
  'Fastify, sent as the last step, behind a hook that takes a while': (app, make, options) =>
    fastified(app, async (_request, reply) => void reply.send(make()), options),
  'Hono, of a Response that a middleware has looked at': (app, make, options) => {
    const hono = new Hono()
    hono.get('/', () => {
      const response = new Response(make())
      void response.body
      return response
    })
    // Just made by that for HTTP/1.
    return createAdaptorServer({ fetch: honoFetch(app, hono, options) }) as Server
  },
}

async function fastified(
  app: App,
  handler: RouteHandlerMethod,
  options: AdapterOptions,
): Promise<Server> {
  const server = fastify()
  await server.register(fastifyScope, { app, ...options })
  server.addHook('onSend', async () => {
    await turn()
  })
  server.get('/', handler)
  await server.ready()
  return server.server
}

/** @param meanwhile is called before the second piece */
async function* pieces(
  log: string[],
  meanwhile: (scope: Scope) => unknown,
): AsyncGenerator<Uint8Array> {
  try {
    yield Buffer.from('one')
    await meanwhile(currentScope())
    yield large
    await turn()
    yield large
  } finally {
    await turn()
    log.push('ended')
  }
}

async function released(
  open: Open,
  options: AdapterOptions,
  meanwhile: (scope: Scope) => unknown,
  asked: (at: { readonly port: number }) => Promise<unknown>,
): Promise<string[]> {
  const log: string[] = []
  const reported: unknown[] = []
  const app = createApp({ onError: (error) => reported.push(error) })
  const make = (): ReadableStream => {
    currentScope().defer(() => void log.push('released'))
    return ReadableStream.from(pieces(log, meanwhile))
  }
  const server = await open(app, make, options)
  const listening = await listen(app, server, { port: 0, host: '127.0.0.1', linger: 0 })
  await asked(listening)
  while (!log.includes('released')) await turn()
  await app.close()
  assert.deepEqual(reported, [])
  return log
}

for (const [name, open] of Object.entries(servers)) {
  test(`a stream of ${name}, whose deadline is answered meanwhile, is ended before anything is released`, async () => {
    const over = new DOMException('over', 'TimeoutError')
    const log = await released(
      open,
      { timeout: 60_000 },
      (scope) => scope.abort(over),
      async (at) => assert.equal((await ask(at, '/')).status, 503),
    )
    assert.deepEqual(log, ['ended', 'released'])
  })

  test(`a stream of ${name}, whose client leaves meanwhile, is ended before anything is released`, async () => {
    const made = Promise.withResolvers<void>()
    const log = await released(
      open,
      {},
      async ({ signal }) => {
        made.resolve()
        while (!signal.aborted) await turn()
        await turn()
      },
      async (at) => {
        using peer = await Peer.connect(at)
        peer.get('/')
        await made.promise
        peer.reset()
        await peer.closed
      },
    )
    assert.deepEqual(log, ['ended', 'released'])
  })
}
