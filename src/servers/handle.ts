/**
 * A listener whose handler returns its answer. The order is the point: the handler settles, its scope closes, then the
 * answer is sent; so a failed commit is an error response. Only a body that is still being produced keeps the scope open.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { checkFunction } from '../core/options.ts'
import type { App, Scope } from '../core/types.ts'
import { adapterOf, type AdapterOptions } from './adapter.ts'
import { pump } from './pump.ts'
import { discard, hasNoBody, isNoReply, replyOf, writeHead, writeWhole } from './reply.ts'
import { serve, type Served } from './served.ts'
import { open, type Source } from './source.ts'

export interface HandleOptions extends AdapterOptions {
  /**
   * Takes every error that the client can still be told of, and may write the answer; where it does not, the answer is
   * the error's `statusCode` or `status`, else 500. Without it, errors whose message the client is not shown go to the
   * `onError` of the app.
   */
  onError?(error: unknown, response: ServerResponse): void
}

type Handler = (request: IncomingMessage, response: ServerResponse, scope: Scope) => unknown

/**
 * A listener whose handler may return its answer: a string, bytes, a stream or an async iterable of these, a `Response`,
 * or any other value, which is sent as JSON. Status and headers are those set on `response`, or of the `Response`.
 *
 * The answer is sent after the scope closed, so that a failed commit is an error response; a stream keeps the scope open
 * until it ends. A handler that writes to `response` itself returns nothing, and commits before it answers: its scope is
 * left without `complete()`, so that releasing is never the commit of an answer already sent.
 *
 * @example
 * ```ts
 * const server = http.createServer(
 *   handle(app, async (request, response, scope) => {
 *     const tx = await scope.get(db.transaction)
 *     response.statusCode = 201
 *     return tx.query('insert into orders default values returning id')
 *   }),
 * )
 * ```
 * @throws {TypeError} for unknown or wrong options
 */
export function handle(app: App, handler: Handler, options?: HandleOptions): RequestListener {
  const adapter = adapterOf('handle()', app, options)
  checkFunction('the handler given to handle()', handler)
  const body = (served: Served): Promise<void> => answer(served, handler)
  return function listen(request, response) {
    serve(adapter, request, response, body)
  }
}

async function answer(served: Served, handler: Handler): Promise<void> {
  const { request, response, scope } = served
  const value: unknown = await handler(request, response, scope)
  if (served.over || served.overtaken) {
    await discard(value)
    served.throwIfOvertaken()
    return
  }
  if (isNoReply(value, response)) {
    served.answersItself = true
    return
  }
  const reply = replyOf(value)
  writeHead(reply, response)
  const { body } = reply
  if (typeof body === 'string' || body instanceof Uint8Array || body === undefined) {
    await finish(served, body)
  } else if (hasNoBody(request, response)) {
    await body.cancel(undefined)
    await finish(served, undefined)
  } else {
    await stream(served, body)
  }
}

async function finish(served: Served, body: string | Uint8Array | undefined): Promise<void> {
  if (served.adapter.closeAt === 'answer') await served.close()
  writeWhole(body, served.response)
}

async function stream(served: Served, body: Source): Promise<void> {
  const opened = await open(body)
  if (opened.whole) {
    await finish(served, opened.body)
    return
  }
  if (!opened.begun) served.response.flushHeaders()
  await pump(opened.source, served.response, served.scope.signal)
  await finish(served, undefined)
}
