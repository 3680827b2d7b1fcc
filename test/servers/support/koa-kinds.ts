/** The suite's handlers as middlewares of Koa. */
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'

import Koa from 'koa'
import type { App } from 'unwind'
import type { AdapterOptions } from 'unwind/http'
import { koaListener } from 'unwind/koa'

import { opened, streamOf, type Handler, type Opened } from './kinds.ts'

export function koaed(app: App, handler: Handler, options: AdapterOptions): Opened {
  const koa = new Koa()
  koa.silent = true
  koa.use(async (ctx) => {
    const {
      status = 200,
      body = '',
      length,
    } = await handler({
      path: ctx.url,
      scope: ctx.scope,
      request: ctx.req,
      response: ctx.res,
      body: () => text(ctx.req),
    })
    ctx.body = streamOf(body) ?? body
    ctx.status = status
    if (length !== undefined) ctx.length = length
  })
  return opened(createServer(koaListener(app, koa, options)))
}
