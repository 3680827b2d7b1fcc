/** Adapters that have the listener of another one serve their requests. */
import { createServer, type RequestListener, type Server } from 'node:http'
import { setImmediate as turn } from 'node:timers/promises'

import { getRequestListener, type HttpBindings } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import express, { type Express } from 'express'
import Fastify from 'fastify'
import { Hono } from 'hono'
import Koa from 'koa'
import type { App } from 'unwind'
import { expressHandler, expressScope } from 'unwind/express'
import { fastifyScope } from 'unwind/fastify'
import { honoFetch } from 'unwind/hono'
import { handle, scoped } from 'unwind/http'
import { koaListener } from 'unwind/koa'

/** Has the listener of another adapter serve its requests. */
export type Outer = (app: App, listener: RequestListener) => Server | Promise<Server>

export const outers: Readonly<Record<string, Outer>> = {
  scoped: (app, listener) => createServer(scoped(app, listener)),
  'scoped, at once, with an async listener': (app, listener) =>
    createServer(scoped(app, async (request, response) => listener(request, response))),
  'scoped, later': (app, listener) =>
    createServer(
      scoped(app, async (request, response) => {
        await turn()
        listener(request, response)
      }),
    ),
  handle: (app, listener) =>
    createServer(handle(app, (request, response) => listener(request, response))),
  'handle, later': (app, listener) =>
    createServer(
      handle(app, async (request, response) => {
        await turn()
        listener(request, response)
      }),
    ),
  expressHandler: (app, listener) =>
    createServer(
      expressed(app).use(
        expressHandler((request, response) => {
          listener(request, response)
        }),
      ),
    ),
  Express: (app, listener) => createServer(expressed(app).use(listener)),
  'Express, later': (app, listener) => {
    const server = expressed(app).use((_request, _response, next) => void setImmediate(next))
    return createServer(server.use(listener))
  },
  Fastify: async (app, listener) => {
    const server = Fastify()
    await server.register(fastifyScope, { app })
    server.get('/', (request, reply) => listener(request.raw, reply.hijack().raw))
    await server.ready()
    return server.server
  },
  Hono: (app, listener) => {
    const hono = new Hono<{ Bindings: HttpBindings }>().get('/', ({ env }) => {
      listener(env.incoming, env.outgoing)
      return RESPONSE_ALREADY_SENT
    })
    return createServer(
      (request, response) => void getRequestListener(honoFetch(app, hono))(request, response),
    )
  },
  Koa: (app, listener) => {
    const koa = new Koa().use((ctx) => {
      Object.assign(ctx, { respond: false, status: 200 })
      listener(ctx.req, ctx.res)
    })
    return createServer(koaListener(app, koa))
  },
}

export function expressed(app: App): Express {
  // In this environment it writes no errors to the console.
  return express().set('env', 'test').use(expressScope(app))
}

export function heard(fetch: Parameters<typeof getRequestListener>[0]): RequestListener {
  const listener = getRequestListener(fetch)
  return (request, response) => void listener(request, response)
}
