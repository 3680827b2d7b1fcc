/**
 * `unwind/express`: one scope for each request of an Express 5 app, and route handlers that return their answer.
 */
import type { NextFunction, Request, RequestHandler, Response } from 'express'
import { NoScopeError } from '../core/errors/errors.ts'
import { checkFunction, expected } from '../core/options.ts'
import type { App, Scope } from '../core/types.ts'
import { adapterOf, checkWithin, type AdapterOptions } from './adapter.ts'
import { answerWith, isHandedOver } from './answer.ts'
import { isUntouched } from './failure.ts'
import { servedOf } from './hearing.ts'
import { checkCalled } from './listener.ts'
import { serve } from './serve.ts'
import { failForAnswer } from './for-answer.ts'
import type { Served } from './served.ts'

export type { AdapterOptions } from './adapter.ts'

declare global {
  namespace Express {
    interface Request {
      /** The scope of this request, with `expressScope`. */
      scope: Scope
    }
  }
}

/**
 * `server.use(expressScope(app))`, before everything else, adds `request.scope`, which is ambient in all that follows.
 *
 * Express sends answers and errors by itself, so the scope closes once the answer has ended, and what is to be committed
 * is committed before: `await transaction.commit()`. Nothing is committed by an answer of 400 or more, because Express
 * does not tell a route that threw from one that chose its status. With `expressHandler` there is nothing to remember.
 *
 * @example
 * ```ts
 * const server = express()
 * server.use(expressScope(app))
 * server.get('/orders', async (request, response) => {
 *   const orders = await request.scope.get(orderBook)
 *   response.json(await orders.list())
 * })
 * ```
 * @throws {TypeError} for unknown or wrong options
 */
export function expressScope(app: App, options?: AdapterOptions): RequestHandler {
  const kind = { where: 'expressScope()', writes: true, doubtedFrom: 400 }
  const adapter = adapterOf(kind, app, options)
  return (request, response, next) => {
    checkCalled(kind.where, response)
    const around = servedOf(response)
    if (around === undefined) {
      serve(adapter, request, response, proceed, next)
    } else {
      checkWithin(adapter, around.scope)
      proceed(around, next)
    }
  }
}

/**
 * A route handler whose end is known, and whose returned value is sent after the scope closed: a string, bytes, a stream
 * or an async iterable of these, a `Response`, or any other value, which is sent as JSON. So a failed commit is an error,
 * and errors go to the error handlers of Express once everything is released. A handler that writes to `response` itself
 * commits before it answers. In TypeScript, the parameters of a path are said by hand, `expressHandler<{ id: string }>(…)`,
 * and `request.body` is unknown.
 *
 * @example
 * ```ts
 * server.post(
 *   '/orders',
 *   expressHandler(async (request, response, scope) => {
 *     const tx = await scope.get(db.transaction)
 *     response.status(201)
 *     return tx.query('insert into orders default values returning id')
 *   }),
 * )
 * ```
 * @throws {TypeError} if `handler` is no function; the route gives `ERR_NO_SCOPE` to `next` where no adapter came before
 */
export function expressHandler<
  P = Request['params'],
  ResBody = unknown,
  ReqBody = unknown,
  ReqQuery = Request['query'],
  Locals extends Record<string, unknown> = Record<string, unknown>,
>(
  handler: (
    request: Request<P, ResBody, ReqBody, ReqQuery, Locals>,
    response: Response<ResBody, Locals>,
    scope: Scope,
  ) => unknown,
): RequestHandler<P, ResBody, ReqBody, ReqQuery, Locals> {
  checkFunction('the handler given to expressHandler()', handler)
  return async function route(request, response, next) {
    checkNext('expressHandler()', next)
    const served = servedOf(response)
    if (served === undefined) {
      next(noScope())
      return
    }
    served.take(handler)
    try {
      const value = await handler(request, response, served.scope)
      if (isHandedOver(served, handler, value)) return
      const rest = answerWith(served, value)
      if (rest !== undefined) await rest
      served.settle('settled')
    } catch (error) {
      await passOn(served, error, next)
    }
  }
}

/** @throws {TypeError} where what `where` made was called by something else than Express */
function checkNext(where: string, next: unknown): void {
  if (typeof next === 'function') return
  const wanted =
    'the `next` of Express, which calls it; without Express there are scoped() and handle() of unwind/http'
  throw expected(`the third argument of what ${where} made`, wanted, next)
}

function proceed({ request, scope }: Served, next: NextFunction): void {
  checkNext('expressScope()', next)
  // What Express has made of it.
  const expressed = request as Request
  expressed.scope = scope
  next()
}

/** To the error handlers, after everything is released; where they cannot answer any more, the connection is cut. */
async function passOn(served: Served, error: unknown, next: NextFunction): Promise<void> {
  if (!isUntouched(served.response)) {
    served.fail(error)
    return
  }
  next(await failForAnswer(served, error))
}

function noScope(): NoScopeError {
  return new NoScopeError(
    'A route made by expressHandler() runs outside every scope. Before it, add server.use(expressScope(app)), or wrap the whole server with scoped(app, server) of unwind/http.',
  )
}
