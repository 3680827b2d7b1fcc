/**
 * What an adapter is told once and does for every request: how its scopes are named, bounded and closed.
 */
import type { IncomingMessage } from 'node:http'
import { servingOpener } from '../core/app.ts'
import { enterFrame } from '../core/context.ts'
import {
  callable,
  checkApp,
  checkOptions,
  flag,
  milliseconds,
  oneOf,
  type Rule,
} from '../core/options.ts'
import { concludeEmpty } from '../core/drain.ts'
import { title } from '../core/misuse.ts'
import { ScopeNode, type Name } from '../core/scope.ts'
import type { App, Scope, ScopeOptions } from '../core/types.ts'
import { pathOf } from '../core/url-path.ts'
import { prepareTiming } from './timing.ts'

/** What all server adapters can be told. */
export interface AdapterOptions {
  /**
   * Milliseconds for a whole request, streams included, `0`: at once. When they have passed, the scope is aborted with a
   * `TimeoutError`, and the answer is a 503 unless one has begun; a stream that is being sent is cut. Default: none.
   */
  timeout?: number
  /**
   * When the scope closes, once the handler has settled. `answer`: before the first byte of the answer, so that a failed
   * commit is an error response; a streamed body keeps the scope open. The default wherever the adapter sees the result:
   * `handle`, `expressHandler`, Fastify, Hono, Koa. `ended`: when all bytes were produced or the connection closed. The
   * default for handlers that write themselves (`scoped`, Express routes), which commit before they answer. Where such a
   * one is told `answer`, what it gives to `response.end()` is held back until its scope closed.
   */
  closeAt?: 'answer' | 'ended'
  /**
   * Send `Server-Timing`: how long each resource of the request took to acquire, was held, and took to release, in
   * milliseconds. A browser shows it in its Network panel. Where the head is sent before the scope closes, what is still
   * held has no release yet. The names of resources are told to every client. Default: false.
   */
  serverTiming?: boolean
  /**
   * Milliseconds a handler may go on after its request was given up (its client left, its `timeout` passed, a shutdown cut
   * it off; with a `timeout` also where a task of it failed), before its resources are destroyed. Default 5_000.
   */
  abandonAfter?: number
  /**
   * A scope name for errors, events and the inspector. Default: method and path without the query. It is not called under
   * Hono without a Node.js server, as in `app.request()` of a test, because there is no such request.
   */
  name?(request: IncomingMessage): string
}

/** Takes an error that a client is answered with, or can be told of no more. */
export type OnRequestError = (error: unknown, response: never) => unknown

export interface Adapter {
  /** What made it, for messages. */
  readonly where: string
  readonly app: App
  readonly scope: Pick<ScopeOptions, 'kind' | 'timeout'> & { readonly abandonAfter: number }
  /** For handlers whose result is seen, be it by this adapter or by another inside of it. */
  readonly closeAt: 'answer' | 'ended'
  /** For those whose result nobody sees: their end is that of the request, where no other adapter is around. */
  readonly early: boolean
  /** What its handlers write by themselves does not end before the scope has closed. */
  readonly holds: boolean
  /** From this status on, an answer whose making was not seen does not complete its scope. */
  readonly doubtedFrom: number
  readonly serverTiming: boolean
  readonly onError: OnRequestError | undefined
  readonly name: (request: IncomingMessage) => Name
  /**
   * A scope of that name, even while the app shuts down.
   * @throws `ERR_SCOPE_CLOSED` once the app has closed
   */
  readonly open: (name: Name) => Scope
}

/** What adapters differ in. */
interface Kind {
  readonly where: string
  /** It sees no result, only that its handler has ended. */
  readonly blind?: boolean
  /** Its handlers write by themselves. */
  readonly writes?: boolean
  /** Default 500. */
  readonly doubtedFrom?: number
  /** How it is given its app. Default: as the first argument. */
  readonly appIs?: string
}

const rules: Readonly<Record<string, Rule>> = {
  timeout: milliseconds,
  closeAt: oneOf('answer', 'ended'),
  serverTiming: flag,
  abandonAfter: milliseconds,
  name: callable,
}

/**
 * @param more options of this adapter alone
 * @throws {TypeError} for an app that is none, and for unknown or wrong options
 */
export function adapterOf(
  { where, blind = false, writes = blind, doubtedFrom = 500, appIs }: Kind,
  app: App,
  options: (AdapterOptions & { onError?: OnRequestError }) | undefined,
  more?: Readonly<Record<string, Rule>>,
): Adapter {
  checkApp(where, app, appIs)
  checkOptions(where, options, more === undefined ? rules : { ...rules, ...more })
  if (options?.serverTiming === true) prepareTiming()
  const timeout = options?.timeout
  const scope = {
    kind: 'request',
    abandonAfter: options?.abandonAfter ?? 5_000,
    ...(timeout !== undefined && { timeout }),
  } as const
  return {
    where,
    app,
    scope,
    name: options?.name === undefined ? methodAndPath : nameBy(options),
    open: servingOpener(app, scope),
    closeAt: options?.closeAt ?? 'answer',
    early: blind && options?.closeAt === 'answer',
    holds: writes && options?.closeAt === 'answer',
    doubtedFrom,
    serverTiming: options?.serverTiming ?? false,
    onError: options?.onError,
  }
}

/**
 * Where another adapter has opened `scope` for a request already, that has the resources of its own app.
 * @throws {TypeError} where that is not the app of this one
 */
export function checkWithin({ where, app }: Adapter, { parent }: Scope): void {
  if (parent === app) return
  const outer = parent === undefined ? '' : `, ${title(parent)}`
  throw new TypeError(
    `Expected the app given to ${where} to be that of the adapter around it${outer}, received ${title(app)}.`,
  )
}

/** Close `scope`. `undefined`: that is done, without anything to wait for or to tell. */
export function close(scope: Scope): Promise<void> | undefined {
  if (!(scope instanceof ScopeNode)) return scope.close()
  if (concludeEmpty(scope)) return undefined
  const closing = scope.close()
  return scope.state === 'closed' && !scope.completion.throws ? undefined : closing
}

/** Whether somebody said that the work is whole. */
export function isCompleted(scope: Scope): boolean {
  return scope instanceof ScopeNode && scope.completion.status === 'success'
}

/** Run `body` with `scope` ambient, without a function made for that. */
export function enter<A, B, R>(scope: Scope, body: (a: A, b: B) => R, a: A, b: B): R {
  if (scope instanceof ScopeNode) return enterFrame(scope.frame, scope, body, a, b)
  return scope.enter(() => body(a, b))
}

function nameBy(options: AdapterOptions): (request: IncomingMessage) => Name {
  return (request) => options.name?.(request) ?? methodAndPath(request)
}

/** In a router that is mounted, Express takes the prefix off `url`; what was asked for is `originalUrl`. */
function methodAndPath(request: IncomingMessage & { originalUrl?: string }): MethodAndPath {
  const { method = 'GET', url = '/', originalUrl = url } = request
  return new MethodAndPath(method, originalUrl)
}

/** Without the query; put together when somebody looks, because few do. */
class MethodAndPath {
  readonly #method: string
  readonly #url: string

  constructor(method: string, url: string) {
    this.#method = method
    this.#url = url
  }

  toString(): string {
    return `${this.#method} ${pathOf(this.#url)}`
  }
}
