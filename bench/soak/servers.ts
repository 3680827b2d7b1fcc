/** The servers, each with its adapter, around the one handler of the site. */
import { createServer, type Server } from 'node:http'
import { Readable } from 'node:stream'

import { getRequestListener, type HttpBindings } from '@hono/node-server'
import express, { type Request, type Response as ExpressResponse } from 'express'
import { fastify } from 'fastify'
import { Hono } from 'hono'
import Koa from 'koa'
import { currentScope, type App } from 'unwind'
import { expressHandler, expressScope } from 'unwind/express'
import { fastifyScope } from 'unwind/fastify'
import { honoFetch } from 'unwind/hono'
import { handle } from 'unwind/http'
import { koaListener } from 'unwind/koa'

import { answer, timeout } from './site.ts'

export const servers: Readonly<Record<string, (app: App) => Server | Promise<Server>>> = {
  http: (app) =>
    createServer(handle(app, ({ url = '/' }, _response, scope) => answer(url, scope), { timeout })),
  express: (app) => {
    // In this environment it writes no errors to the console.
    const server = express().set('env', 'test')
    server.use(expressScope(app, { timeout }))
    server.use(
      expressHandler(({ url }: Request, _response: ExpressResponse, scope) => answer(url, scope)),
    )
    return createServer(server)
  },
  fastify: async (app) => {
    const server = fastify()
    await server.register(fastifyScope, { app, timeout })
    server.all('/*', ({ url, scope }) => answer(url, scope))
    await server.ready()
    return server.server
  },
  hono: (app) => {
    const hono = new Hono<{ Bindings: HttpBindings }>()
    hono.onError((error, c) => c.text(error.message, 500))
    hono.all('*', async (c) => {
      const body = await answer(new URL(c.req.url).pathname, currentScope())
      if (!(body instanceof Readable)) return new Response(body)
      return new Response(Readable.toWeb(body) as ReadableStream<Uint8Array>)
    })
    const listener = getRequestListener(honoFetch(app, hono, { timeout }))
    return createServer((request, response) => void listener(request, response))
  },
  koa: (app) => {
    const koa = new Koa()
    koa.silent = true
    koa.use(async (ctx) => {
      ctx.body = await answer(ctx.url, ctx.scope)
    })
    return createServer(koaListener(app, koa, { timeout }))
  },
}
