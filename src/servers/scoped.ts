/**
 * Any request listener, with a request scope around each call.
 */
import type { Server } from 'node:http'
import { checkFunction } from '../core/options.ts'
import type { App } from '../core/types.ts'
import { adapterOf, type AdapterOptions } from './adapter.ts'
import { ofAllServers, type Listener } from './listener.ts'
import { serve } from './serve.ts'
import type { Served } from './served.ts'

/**
 * Any Node.js request listener (an Express app, Koa's callback, a GraphQL server, your own), with a request scope
 * around each call. For `http`, `https` and the compatibility API of `http2`.
 *
 * The scope is ambient inside the listener. It is aborted with `ERR_CLIENT_DISCONNECTED` when the client leaves before
 * the answer is finished. It closes once: when the promise that the listener returned has settled and all bytes of the
 * answer were produced or the connection closed; for a listener that returns no promise, at the end of its answer. A
 * listener that fails is answered with the error's `statusCode` or `status`, else with 500.
 *
 * @example
 * ```ts
 * const server = http.createServer(
 *   scoped(app, async (request, response) => {
 *     const orders = await inject(orderBook)
 *     response.end(await orders.total())
 *   }),
 * )
 * ```
 * @throws {TypeError} for unknown or wrong options
 */
export function scoped(
  app: App,
  // Frameworks type their own requests and responses, and a parameter of a function accepts only `any` of them.
  // oxlint-disable-next-line typescript/no-explicit-any
  listener: (request: any, response: any) => unknown,
  options?: AdapterOptions,
): Listener {
  const adapter = adapterOf({ where: 'scoped()', blind: true }, app, options)
  checkFunction('the listener given to scoped()', listener)
  return ofAllServers(function listen(this: Server, request, response) {
    serve(adapter, request, response, call, this)
  })
  function call({ request, response }: Served, receiver: Server): unknown {
    // Not listener.call(): an Express app has methods of such names.
    return Reflect.apply(listener, receiver, [request, response])
  }
}
