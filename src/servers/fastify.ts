/**
 * `unwind/fastify`: one scope for each request of a Fastify 5 server, closed before the first byte of the answer.
 */
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import { tryCurrentScope } from '../core/ambient.ts'
import { isObject } from '../core/dispose.ts'
import { expected, type Rule } from '../core/options.ts'
import type { App, Scope } from '../core/types.ts'
import { adapterOf, enter, type Adapter, type AdapterOptions } from './adapter.ts'
import { isUpgraded } from './ends.ts'
import { isClosed, refuse } from './failure.ts'
import { failWith, holdBackUnrouted, observe } from './fastify-answer.ts'
import { answers, servedOf } from './hearing.ts'
import { handOver, open, run, start } from './serve.ts'
import type { Served } from './served.ts'

export type { AdapterOptions } from './adapter.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The scope of this request, with `fastifyScope`. */
    scope: Scope
  }
}

/** The options of all adapters, and the app whose scopes are opened. */
export interface FastifyScopeOptions extends AdapterOptions {
  /** The root of the scopes. */
  app: App
}

/** What `register` itself looks at. */
const any: Rule = { expected: 'anything', accepts: () => true }

type Done = (error?: Error) => void

/**
 * `await server.register(fastifyScope, { app })`, before the routes, adds `request.scope`, which is ambient in all hooks
 * and handlers. The app closes with the server; the server closes with the app by `graceful(app, server.server)` of
 * `unwind/http`, before it listens.
 *
 * The scope closes once the handler has settled and its value went through the hooks, before the first byte is sent; so a
 * failed commit goes to the error handler of Fastify, and is a 500. A stream keeps the scope open until it ends; Fastify
 * takes no async iterable: return `Readable.from(request.scope.stream(rows))`. What is sent with `reply.raw` is committed
 * before. The scope of a route of `@fastify/websocket` lives as long as its socket, whose end aborts it. So does the
 * `handlerTimeout` of Fastify, which answers then.
 *
 * @example
 * ```ts
 * const server = fastify()
 * await server.register(fastifyScope, { app })
 * server.post('/orders', async (request, reply) => {
 *   const tx = await request.scope.get(db.transaction)
 *   reply.code(201)
 *   return tx.query('insert into orders default values returning id')
 * })
 * ```
 * @throws {TypeError} for unknown or wrong options, where `register` is awaited; where it is called and not registered
 */
export const fastifyScope: FastifyPluginAsync<FastifyScopeOptions> = async (instance, given) => {
  checkRegistered(instance, given)
  const { app, ...options } = given
  const appIs = 'option `app` of fastifyScope'
  const kind = { where: 'fastifyScope', doubtedFrom: 400, appIs }
  const adapter = adapterOf(kind, app, options, { prefix: any, logLevel: any, logSerializers: any })
  instance.decorateRequest('scope')
  instance.addHook('onRequest', (request, reply, done) => {
    begin(adapter, request, reply, done)
  })
  instance.addHook('preValidation', ({ scope }, _reply, done) => {
    // A parser of the body may have lost it.
    if (tryCurrentScope() === undefined) enter(scope, proceed, undefined, done)
    else done()
  })
  instance.addHook('onRoute', observe)
  instance.addHook('onSend', holdBackUnrouted)
  instance.addHook('onError', failWith)
  instance.addHook('onClose', async () => {
    // An app that is already on its way down may be what waits for the server.
    if (app.state === 'open') await app.close()
  })
}

/** @throws {TypeError} where it was called, as the other adapters are, and not registered */
function checkRegistered(instance: unknown, given: unknown): void {
  if (isObject(instance) && 'decorateRequest' in instance && isObject(given)) return
  throw expected(
    'the server of fastifyScope',
    'one of Fastify, which calls it: await server.register(fastifyScope, { app })',
    instance,
  )
}

// As fastify-plugin does it: the hooks are for the whole server, and not for this plugin alone.
Object.assign(fastifyScope, {
  [Symbol.for('skip-override')]: true,
  [Symbol.for('fastify.display-name')]: 'unwind',
  [Symbol.for('plugin-meta')]: { name: 'unwind', fastify: '5.x' },
})

function begin(adapter: Adapter, request: FastifyRequest, reply: FastifyReply, done: Done): void {
  const around = servedOf(reply.raw)
  let served: Served
  try {
    if (around !== undefined) handOver(around, adapter)
    served = around ?? open(adapter, request.raw, reply.raw)
  } catch (error) {
    if (isClosed(error)) reply.code(503)
    // Fastify passes on whatever it is given.
    done(error as Error)
    return
  }
  request.scope = served.scope
  // For a route of @fastify/websocket, which is called with a socket and this.
  if (isUpgraded(request.raw)) answers(request.raw, served)
  served.delegated = true
  served.held = true
  if (adapter.scope.timeout !== undefined) {
    // Whatever its handler sends later is ignored.
    served.refuse = (status, text) => refuse(reply.hijack().raw, status, text)
  }
  if (around === undefined) start(served, proceed, done)
  else run(around, proceed, done)
}

function proceed(_: unknown, done: Done): void {
  done()
}
