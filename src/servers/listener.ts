/**
 * What the servers of Node.js call with each request.
 */
import type { RequestListener, ServerResponse } from 'node:http'
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2'
import { expected } from '../core/options.ts'

/** A request listener of `http`, `https` and the compatibility API of `http2`. */
export type Listener = ((request: Http2ServerRequest, response: Http2ServerResponse) => void) &
  RequestListener

export function ofAllServers(listener: RequestListener): Listener {
  // The compatibility API is that of http.
  return listener as Listener
}

/** @throws {TypeError} where the listener that `where` made was called with something else than a response of Node.js */
export function checkCalled(where: string, response: ServerResponse | undefined): void {
  if (typeof response?.setHeader === 'function') return
  const wanted =
    'a response of Node.js, as createServer() and Express give it; Fastify, Koa and Hono have adapters of their own: unwind/fastify, unwind/koa, unwind/hono'
  throw expected(`the second argument of what ${where} made`, wanted, response)
}
