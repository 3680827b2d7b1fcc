/**
 * `unwind/koa`: one scope for each request of a Koa 3 app, closed before the first byte of the answer.
 */
import { Readable } from 'node:stream'
import type Koa from 'koa'
import type { Middleware, ParameterizedContext } from 'koa'
import { isObject } from '../core/dispose.ts'
import { NoScopeError } from '../core/errors/errors.ts'
import { expected } from '../core/options.ts'
import type { App, Scope } from '../core/types.ts'
import { adapterOf, type AdapterOptions } from './adapter.ts'
import { isEmptyStatus } from './body.ts'
import { isSeenBy } from './ends.ts'
import { servedOf } from './hearing.ts'
import { ofAllServers, type Listener } from './listener.ts'
import { serve } from './serve.ts'
import { closeForAnswer, failForAnswer } from './for-answer.ts'
import { streams } from './last-byte.ts'
import { inJson } from './reply.ts'
import type { Served } from './served.ts'
import { bodyOf, open, piecesOf, sourceOf, type Source } from './source.ts'

export type { AdapterOptions } from './adapter.ts'

declare module 'koa' {
  interface DefaultContext {
    /** The scope of this request, with `koaListener`. */
    readonly scope: Scope
  }
  /** Of an app with a type of context of its own, too. */
  interface ExtendableContext {
    /** The scope of this request, with `koaListener`. */
    readonly scope: Scope
  }
}

/**
 * `http.createServer(koaListener(app, koa))` adds `ctx.scope`, which is ambient in every middleware and in streamed
 * bodies.
 *
 * The scope closes once all middlewares have settled, before the first byte of the answer is sent; so a failed commit is
 * an error to Koa, and a 500. A streamed body keeps the scope open until it ends. Nothing is committed by an answer of
 * 400 or more, because Koa does not tell a middleware that caught an error from one that chose its status; where the
 * work is whole all the same, call `ctx.scope.complete()`.
 *
 * @example
 * ```ts
 * const koa = new Koa()
 * koa.use(async (ctx) => {
 *   const orders = await ctx.scope.get(orderBook)
 *   ctx.body = await orders.list()
 * })
 * http.createServer(koaListener(app, koa)).listen(3000)
 * ```
 * @throws {TypeError} for unknown or wrong options
 */
export function koaListener<State = Koa.DefaultState, Context = Koa.DefaultContext>(
  app: App,
  koa: Koa<State, Context>,
  options?: AdapterOptions,
): Listener {
  const adapter = adapterOf({ where: 'koaListener()', doubtedFrom: 400 }, app, options)
  if (typeof koa?.callback !== 'function' || typeof koa.context !== 'object') {
    throw expected('the second argument of koaListener()', 'a Koa app, not its callback()', koa)
  }
  Object.defineProperty(koa.context, 'scope', { configurable: true, get: scopeOf })
  // Around all others, those that are added later too.
  if (!koa.middleware.includes(holdBack)) koa.middleware.unshift(holdBack)
  const callback = koa.callback()
  return ofAllServers(function listen(request, response) {
    serve(adapter, request, response, call, undefined)
  })
  function call({ request, response }: Served): unknown {
    return callback(request, response)
  }
}

const holdBack: Middleware = async (ctx, next) => {
  const served = servedOf(ctx.res)
  if (served === undefined) {
    await next()
    return
  }
  served.delegated = true
  const { adapter } = served
  const early = adapter.closeAt === 'answer'
  let streamed = false
  try {
    await next()
    if (ctx.respond !== false) streamed = await isStreamed(ctx, served)
  } catch (error) {
    // After headers were sent Koa would leave the answer open until its client leaves.
    if (ctx.headerSent) served.fail(error)
    throw ctx.headerSent ? error : await failForAnswer(served, error)
  }
  // What another adapter was called with ends with that.
  if (served.over || !early || !isSeenBy(adapter, served)) return
  if (ctx.respond === false || ctx.res.writableEnded) served.completes = false
  else if (streamed) streams(served)
  else await closeForAnswer(served)
}

function scopeOf(this: { readonly res: Parameters<typeof servedOf>[0] }): Scope {
  const scope = servedOf(this.res)?.scope
  if (scope !== undefined) return scope
  throw new NoScopeError(
    'ctx.scope was read in a request without a scope. Serve the app with http.createServer(koaListener(app, koa)).',
  )
}

/**
 * A Blob is whole; what the Fetch standard has beside it may be; what others yield may still be made. What nobody reads is
 * ended, and what is sent as JSON becomes that, before anything is released.
 */
async function isStreamed(ctx: ParameterizedContext, served: Served): Promise<boolean> {
  const { body } = ctx
  const unwanted = isUnwanted(served)
  const isEmpty = isEmptyStatus(ctx.status)
  const unread = unwanted || isEmpty || ctx.method === 'HEAD'
  if (body instanceof Response) return isFetchedStreamed(ctx, served, bodyOf(body), unread)
  if (body instanceof ReadableStream) return isFetchedStreamed(ctx, served, sourceOf(body), unread)
  if (isObject(body) && 'pipe' in body) {
    if (unread) await sourceOf(body)?.cancel(undefined)
    return !unread
  }
  if (!unwanted && !isEmpty && isJson(body)) ctx.body = inJson(body)
  return false
}

/** Whether Koa makes JSON of it. */
function isJson(body: unknown): boolean {
  if (body === undefined || body === null || typeof body === 'string') return false
  return !Buffer.isBuffer(body) && !(body instanceof Blob)
}

async function isFetchedStreamed(
  ctx: ParameterizedContext,
  served: Served,
  source: Source | undefined,
  unread: boolean,
): Promise<boolean> {
  if (unread) {
    // Koa would not end what it does not read, and takes its length in JSON for that of the answer.
    await source?.cancel(undefined)
    if (!ctx.res.hasHeader('content-length')) ctx.body = Readable.from([])
    return false
  }
  if (source === undefined) return false
  const opened = await open(source)
  if (opened.whole) {
    ctx.body = opened.body
    return false
  }
  // Meanwhile.
  if (isUnwanted(served)) return isFetchedStreamed(ctx, served, opened.source, true)
  ctx.body = ReadableStream.from(piecesOf(opened.source))
  return true
}

/** Its client has left, or was answered in its place. */
function isUnwanted({ gone, overtaken }: Served): boolean {
  return gone || overtaken
}
