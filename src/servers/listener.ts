/**
 * What the servers of Node.js call with each request.
 */
import type { RequestListener } from 'node:http'
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2'

/** A request listener of `http`, `https` and the compatibility API of `http2`. */
export type Listener = ((request: Http2ServerRequest, response: Http2ServerResponse) => void) &
  RequestListener

export function ofAllServers(listener: RequestListener): Listener {
  // The compatibility API is that of http.
  return listener as Listener
}
