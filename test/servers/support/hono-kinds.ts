/** The suite's handlers as routes of Hono: with a scope around `fetch`, and with one opened by the middleware. */
import { createServer } from 'node:http'

import { getRequestListener, type HttpBindings } from '@hono/node-server'
import { Hono, type Context } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { currentScope, type App } from 'unwind'
import { honoFetch, honoScope } from 'unwind/hono'
import type { AdapterOptions } from 'unwind/http'

import { isWhole, opened, type Handler, type Opened, type Reply } from './kinds.ts'

type Env = { Bindings: HttpBindings }

export function honoed(app: App, handler: Handler, options: AdapterOptions): Opened {
  const hono = served(new Hono<Env>(), handler)
  return listening(honoFetch(app, hono, options))
}

export function honoedByMiddleware(app: App, handler: Handler, options: AdapterOptions): Opened {
  const hono = served(new Hono<Env>().use(honoScope(app, options)), handler)
  return listening(hono.fetch)
}

function listening(fetch: Parameters<typeof getRequestListener>[0]): Opened {
  const listener = getRequestListener(fetch)
  return opened(createServer((request, response) => void listener(request, response)))
}

function served(hono: Hono<Env>, handler: Handler): Hono<Env> {
  hono.onError((error, c) => {
    const { status = 500 } = error as { status?: ContentfulStatusCode }
    return c.text(error.message, status)
  })
  return hono.all('*', async (c) => {
    const { incoming, outgoing } = c.env
    const {
      status = 200,
      body = '',
      length,
    } = await handler({
      path: new URL(c.req.url).pathname,
      scope: currentScope(),
      request: incoming,
      response: outgoing,
      body: () => c.req.text(),
    })
    if (length !== undefined) c.header('Content-Length', String(length))
    return answer(c, status as ContentfulStatusCode, body)
  })
}

function answer(
  c: Context<Env>,
  status: ContentfulStatusCode,
  body: Exclude<Reply['body'], undefined>,
): Response {
  if (typeof body === 'object' && Symbol.asyncIterator in body) {
    return c.body(ReadableStream.from<Uint8Array>(bytesOf(body)), status)
  }
  return isWhole(body) ? c.body(body as string, status) : c.json(body, status)
}

async function* bytesOf(pieces: AsyncIterable<string>): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) yield Buffer.from(piece)
}
