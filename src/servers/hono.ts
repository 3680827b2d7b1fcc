/**
 * `unwind/hono`: one scope for each request of a Hono 4 app, closed before the first byte of the answer; on
 * `@hono/node-server`, in other runtimes, and in `app.request()` of a test.
 */
import type { MiddlewareHandler } from 'hono'
import { isObject, isThenable } from '../core/dispose.ts'
import { expected } from '../core/options.ts'
import type { App, Scope } from '../core/types.ts'
import { adapterOf, checkWithin, type Adapter, type AdapterOptions } from './adapter.ts'
import { aloneOf, runAlone, runUpgraded, type Alone } from './hono-alone.ts'
import { bindingsOf, runOn, upgradeOf } from './hono-node.ts'
import { refusal, refused, type Fetched } from './hono-response.ts'
import { servedOf } from './hearing.ts'
import type { Served } from './served.ts'

export type { AdapterOptions } from './adapter.ts'

declare module 'hono' {
  interface ContextVariableMap {
    /** The scope of this request, with `honoScope`. */
    scope: Scope
  }
}

/** A request, on a Node.js server or without one. */
type Own = Served | Alone

type Fetch = (own: Own) => Fetched

/** Of Hono, and not of what Hono is a part of, or calls. */
const ours = new WeakSet<Adapter>()

/** What `new Hono()` has. */
export interface HonoLike {
  /** Answers a request. */
  fetch(request: Request, env?: object, context?: unknown): Response | Promise<Response>
}

/**
 * `serve({ fetch: honoFetch(app, hono) })`: a scope around each request, ambient in all middlewares and handlers. This is
 * the fast form, because it adds no middleware; where `c.var.scope` is wanted, add `hono.use(honoScope(app))`.
 *
 * The scope closes once Hono has the response, before its first byte is sent; so a failed commit is a 500. A streamed body
 * keeps the scope open until it ends. Nothing is committed by an answer of 400 or more, unless `honoScope` is there to
 * tell a handler that threw from one that chose its status.
 *
 * @example
 * ```ts
 * const hono = new Hono()
 * hono.get('/orders', async (c) => c.json(await (await inject(orderBook)).list()))
 * serve({ fetch: honoFetch(app, hono), port: 3000 })
 * ```
 * @throws {TypeError} for unknown or wrong options
 */
export function honoFetch(
  app: App,
  hono: HonoLike,
  options?: AdapterOptions,
  // Written out: the declarations of who exports it cannot name a type of ours that is not exported.
): (request: Request, env?: object, context?: unknown) => Response | Promise<Response> {
  const adapter = adapterOf({ where: 'honoFetch()', doubtedFrom: 400 }, app, options)
  ours.add(adapter)
  if (typeof hono?.fetch !== 'function') {
    throw expected('the second argument of honoFetch()', 'a Hono app, not its fetch', hono)
  }
  return (request, env, context) => {
    checkRequest('honoFetch()', 'a Request, as serve() of @hono/node-server does', request)
    try {
      const fetched = runAround(adapter, env, request, () => hono.fetch(request, env, context))
      if (!isThenable(fetched)) return fetched
      return fetched.catch((error: unknown) => refusal(app, error))
    } catch (error) {
      return refusal(app, error)
    }
  }
}

/**
 * `hono.use(honoScope(app))`, before everything else, adds `c.var.scope`, and opens the scope where `honoFetch` did not.
 * Where it did, its options count, and those that are given here do not. A failed commit goes to `hono.onError`, where the
 * scope was opened here. The scope of a route of `upgradeWebSocket` lives as long as its socket, whose end aborts it.
 *
 * @example
 * ```ts
 * const hono = new Hono()
 * hono.use(honoScope(app))
 * hono.get('/orders', async (c) => c.json(await (await c.var.scope.get(orderBook)).list()))
 * ```
 * @throws {TypeError} for unknown or wrong options
 */
export function honoScope(app: App, options?: AdapterOptions): MiddlewareHandler {
  const adapter = adapterOf({ where: 'honoScope()' }, app, options)
  ours.add(adapter)
  return async (c, next) => {
    checkRequest('honoScope()', 'a context of Hono, as hono.use() does', c?.req?.raw)
    if (app.state === 'closing' || app.state === 'closed') return refused(503)
    const { raw } = c.req
    const around = requestOf(c.env, raw)
    if (around !== undefined) checkWithin(adapter, around.scope)
    const proceed = async (own: Own): Promise<Response> => {
      c.set('scope', own.scope)
      await next()
      own.see(c.error)
      // What was answered in the place of Hono is the answer that it has by then.
      return around === undefined && own.overtaken ? new Response(null) : c.res
    }
    const response = await (around === undefined
      ? runAround(adapter, c.env, raw, proceed)
      : proceed(around))
    if (response !== c.res) c.res = response
    return undefined
  }
}

function runAround(adapter: Adapter, env: unknown, request: Request, fetch: Fetch): Fetched {
  const bindings = bindingsOf(env)
  if (bindings === undefined) {
    const upgrade = upgradeOf(env)
    if (upgrade === undefined) return runAlone(adapter, request, fetch)
    return runUpgraded(adapter, upgrade, request, fetch)
  }
  const around = servedOf(bindings.outgoing)
  if (!isOfHono(around)) return runOn(adapter, bindings, around, fetch)
  checkWithin(adapter, around.scope)
  return fetch(around)
}

/** @throws {TypeError} where what `where` made was called by something else than Hono or a server for it */
function checkRequest(where: string, given: string, request: Request | undefined): void {
  // Asking one of `@hono/node-server` for more would make a real one of it.
  if (isObject(request) && 'arrayBuffer' in request) return
  const others = 'unwind/http, unwind/express, unwind/fastify and unwind/koa are for other servers'
  throw expected(`what ${where} made`, `called with ${given}; ${others}`, request)
}

/** What is being served by Hono, on whichever server. */
function requestOf(env: unknown, request: Request): Own | undefined {
  const bindings = bindingsOf(env)
  if (bindings === undefined) return aloneOf(request)
  const around = servedOf(bindings.outgoing)
  return isOfHono(around) ? around : undefined
}

/** Its end is seen by what was made here. */
function isOfHono(served: Served | undefined): served is Served {
  return served !== undefined && ours.has(served.adapter)
}
