/**
 * Every server that has an adapter, under one face, so that one suite runs on all of them: a handler is told of the call
 * and returns its reply, which is sent as one does it there.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createHttp2Server } from 'node:http2'
import { createServer as createHttpsServer } from 'node:https'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'

import { currentScope, type App, type Scope } from 'unwind'
import { handle, scoped, type AdapterOptions } from 'unwind/http'

import { ask, type Answer, type Asked } from './client.ts'
import { expressed, expressedByResult } from './express-kinds.ts'
import { fastified, fastifiedByReply } from './fastify-kinds.ts'
import { honoed, honoedByMiddleware } from './hono-kinds.ts'
import { koaed } from './koa-kinds.ts'
import { askHttp2, askHttps, secrets } from './other-clients.ts'

/** One request, as every framework can tell of it. */
export interface Call {
  readonly path: string
  readonly scope: Scope
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** The body of the request, as one reads it there. */
  readonly body: () => Promise<string>
}

export interface Reply {
  /** Default 200. */
  readonly status?: number
  /** Text, bytes, an object for JSON, or what is streamed. */
  readonly body?:
    string | Uint8Array | AsyncGenerator<string> | Readable | { readonly [key: string]: unknown }
  /** Of a stream, where it is told. */
  readonly length?: number
}

export type Handler = (call: Call) => Promise<Reply>

export interface Opened {
  readonly server: Server
  readonly stop: () => Promise<unknown>
}

export interface Kind {
  readonly name: string
  /** The adapter sees the result, so that its scope closes before the first byte of the answer. */
  readonly seesResult: boolean
  /** A peer can speak HTTP/1.1 to it in the clear. */
  readonly plain: boolean
  /** The server is not listening yet. */
  readonly open: (app: App, handler: Handler, options: AdapterOptions) => Opened | Promise<Opened>
  readonly ask: (server: { readonly port: number }, path: string, asked?: Asked) => Promise<Answer>
}

const plainHttp = { plain: true, ask }

export const kinds: readonly Kind[] = [
  { name: 'scoped on http', seesResult: false, ...plainHttp, open: opener(() => createServer()) },
  {
    name: 'scoped on https',
    seesResult: false,
    plain: false,
    ask: askHttps,
    open: opener(() => createHttpsServer(secrets)),
  },
  {
    name: 'scoped on http2',
    seesResult: false,
    plain: false,
    ask: askHttp2,
    // The compatibility API is that of http.
    open: opener(() => createHttp2Server() as unknown as Server),
  },
  { name: 'handle', seesResult: true, ...plainHttp, open: openHandled },
  { name: 'Express', seesResult: false, ...plainHttp, open: expressed },
  { name: 'Express with expressHandler', seesResult: true, ...plainHttp, open: expressedByResult },
  { name: 'Fastify', seesResult: true, ...plainHttp, open: fastified },
  { name: 'Fastify with reply.send', seesResult: true, ...plainHttp, open: fastifiedByReply },
  { name: 'Hono with honoFetch', seesResult: true, ...plainHttp, open: honoed },
  { name: 'Hono with honoScope', seesResult: true, ...plainHttp, open: honoedByMiddleware },
  { name: 'Koa', seesResult: true, ...plainHttp, open: koaed },
]

/** Those to which a `Peer` can speak. */
export const plainKinds: readonly Kind[] = kinds.filter(({ plain }) => plain)

export function isWhole(body: unknown): body is string | Uint8Array {
  return typeof body === 'string' || body instanceof Uint8Array
}

/** The body as a stream of Node.js, if it is one that is streamed. */
export function streamOf(body: Exclude<Reply['body'], undefined>): Readable | undefined {
  if (body instanceof Readable) return body
  return typeof body === 'object' && Symbol.asyncIterator in body ? Readable.from(body) : undefined
}

export function opened(server: Server): Opened {
  const stop = async (): Promise<void> => {
    await new Promise((resolve) => server.close(resolve))
  }
  return { server, stop }
}

export function callOf(request: IncomingMessage, response: ServerResponse, scope: Scope): Call {
  return { path: request.url ?? '', scope, request, response, body: () => text(request) }
}

function opener(make: () => Server) {
  return (app: App, handler: Handler, options: AdapterOptions): Opened => {
    const listener = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
      const reply = await handler(callOf(request, response, currentScope()))
      await send(reply, response)
    }
    return opened(make().on('request', scoped(app, listener, options)))
  }
}

async function send(reply: Reply, response: ServerResponse): Promise<void> {
  const { status = 200, body = '', length } = reply
  response.statusCode = status
  if (length !== undefined) response.setHeader('Content-Length', length)
  const stream = streamOf(body)
  // HTTP/2 takes nothing of a body that it may not send, and would have the stream wait for ever.
  if (response.req.method === 'HEAD') {
    stream?.destroy()
    response.end()
  } else if (stream !== undefined) await pipeline(stream, response)
  else response.end(isWhole(body) ? body : JSON.stringify(body))
}

function openHandled(app: App, handler: Handler, options: AdapterOptions): Opened {
  const listener = handle(
    app,
    async (request, response, scope) => {
      const { status = 200, body = '', length } = await handler(callOf(request, response, scope))
      response.statusCode = status
      if (length !== undefined) response.setHeader('Content-Length', length)
      return body
    },
    options,
  )
  return opened(createServer(listener))
}
