/**
 * A listener whose handler returns its answer.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { callable, checkFunction } from '../core/options.ts'
import type { App, Scope } from '../core/types.ts'
import { adapterOf, type AdapterOptions } from './adapter.ts'
import { answer } from './answer.ts'
import { ofAllServers, type Listener } from './listener.ts'
import { serve } from './serve.ts'

/** The options of all adapters, and who answers after a failure. */
export interface HandleOptions extends AdapterOptions {
  /**
   * Takes every error that the client can still be told of, and may write the answer; where it does not, the answer is
   * the error's `statusCode` or `status`, else 500. Without it, errors whose message the client is not shown go to the
   * `onError` of the app.
   */
  onError?(error: unknown, response: ServerResponse): void
}

/**
 * A listener whose handler may return its answer: a string, bytes, a stream or an async iterable of these, a `Response`,
 * a `Blob`, a `FormData` or a `URLSearchParams`, or any other value, which is sent as JSON; what has no form there, such as
 * a `Map` or an `Error`, is a TypeError. Status and headers are those set on `response`, or of the `Response`, so that
 * one from `fetch` can be passed on: what it says of its own connection, or of a coding that was undone, is left out.
 *
 * The answer is sent after the scope closed, so that a failed commit is an error response; a stream, or a `Blob`, keeps the
 * scope open until it ends. A handler that writes to `response` itself returns nothing, and commits before it answers:
 * its scope is left without `complete()`, so that releasing is never the commit of an answer already sent. One that
 * returns nothing and writes nothing leaves the request open, until its client leaves or its `timeout` has passed.
 *
 * Inside of another adapter (a route of a server with `expressScope`), the handler runs in the scope that was opened there,
 * with its `name`, `timeout` and `serverTiming`; both are given the same app.
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
export function handle(
  app: App,
  handler: (request: IncomingMessage, response: ServerResponse, scope: Scope) => unknown,
  options?: HandleOptions,
): Listener {
  const adapter = adapterOf({ where: 'handle()' }, app, options, { onError: callable })
  checkFunction('the handler given to handle()', handler)
  return ofAllServers(function listen(request, response) {
    serve(adapter, request, response, answer, handler)
  })
}
