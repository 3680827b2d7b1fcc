/**
 * Opening a request, and hearing of its end: the listeners are the same three functions for all responses, which find
 * there what they answer.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import { openRequest, type Adapter } from './adapter.ts'
import { isHttp2, refuseUnopened } from './failure.ts'
import { watchQueued } from './pipelined.ts'
import { Served } from './served.ts'

const key: unique symbol = Symbol('unwind.served')

/** A response on which the listeners find what it answers. */
type Answer = ServerResponse & { [key]?: Served }

/** Open a scope for `request`, run `body` in it, and close it once. Whatever fails is answered or reported. */
export function serve<A>(
  adapter: Adapter,
  request: IncomingMessage,
  response: ServerResponse,
  body: (served: Served, a: A) => unknown,
  a: A,
): void {
  let served: Served
  try {
    served = open(adapter, request, response)
  } catch (error) {
    refuseUnopened(adapter, response, error)
    return
  }
  served.start(body, a)
}

/**
 * The scope for `request`, with everything that tells of its end.
 * @throws `ERR_SCOPE_CLOSED` once the app has closed, and what the `name` of the adapter throws
 */
export function open(adapter: Adapter, request: IncomingMessage, response: ServerResponse): Served {
  const served = new Served(adapter, openRequest(adapter, request), request, response)
  const answer: Answer = response
  answer[key] = served
  answer.on('close', onClose)
  // The compatibility API of HTTP/2 has no 'prefinish'.
  answer.on(isHttp2(response) ? 'finish' : 'prefinish', onProduced)
  answer.on('pipe', onPipe)
  if (response.socket === null) watchQueued(request, response, () => served.left())
  return served
}

/** What `response` answers, where an adapter of this package opened it. */
export function servedOf(response: ServerResponse): Served | undefined {
  // Others may have answered it.
  return (response as Answer)[key]
}

function onProduced(this: Answer): void {
  this[key]?.produced()
}

function onClose(this: Answer): void {
  this[key]?.left()
}

function onPipe(this: Answer, source: Readable): void {
  this[key]?.sources.pipe(source)
}
