import assert from 'node:assert/strict'
import { createServer, type RequestListener } from 'node:http'
import { describe, test } from 'node:test'

import { getRequestListener } from '@hono/node-server'
import express, { type NextFunction, type Request, type Response } from 'express'
import { fastify } from 'fastify'
import { Hono } from 'hono'
import Koa from 'koa'
import { currentScope, inject, input, resource, type App } from 'unwind'
import { expressHandler, expressScope } from 'unwind/express'
import { fastifyScope } from 'unwind/fastify'
import { honoFetch, honoScope } from 'unwind/hono'
import { handle, scoped } from 'unwind/http'
import { koaListener } from 'unwind/koa'

import { ask } from './support/client.ts'
import { Site } from './support/site.ts'

const tenant = input<string>('tenant')
const orders = resource({
  name: 'orders',
  acquire: async ({ get }) => ({ of: await get(tenant) }),
})

type Serve = (app: App) => RequestListener | Promise<RequestListener>

/** A middleware provides the tenant, and a resource reads it. */
const servers: readonly (readonly [string, Serve])[] = [
  [
    'scoped()',
    (app) =>
      scoped(app, async (request, response) => {
        currentScope().provide(tenant, String(request.headers['x-tenant']))
        response.end(JSON.stringify(await inject(orders)))
      }),
  ],
  [
    'handle()',
    (app) =>
      handle(app, async (request, _response, scope) => {
        scope.provide(tenant, String(request.headers['x-tenant']))
        return scope.get(orders)
      }),
  ],
  [
    'Express',
    (app) => {
      const server = express()
      server.use(expressScope(app), (request, _response, next) => {
        request.scope.provide(tenant, String(request.headers['x-tenant']))
        next()
      })
      server.get(
        '/',
        expressHandler((_request, _response, scope) => scope.get(orders)),
      )
      return server
    },
  ],
  [
    'Fastify',
    async (app) => {
      let listener: RequestListener | undefined
      const server = fastify({
        serverFactory: (handler) => {
          listener = handler
          return createServer(handler)
        },
      })
      await server.register(fastifyScope, { app })
      server.addHook('preHandler', async ({ scope, headers }) => {
        scope.provide(tenant, String(headers['x-tenant']))
      })
      server.get('/', ({ scope }) => scope.get(orders))
      await server.ready()
      assert(listener !== undefined)
      return listener
    },
  ],
  [
    'Hono',
    (app) => {
      const hono = new Hono()
      hono.use(honoScope(app))
      hono.use(async (c, next) => {
        c.var.scope.provide(tenant, String(c.req.header('x-tenant')))
        await next()
      })
      hono.get('/', async (c) => c.json(await c.var.scope.get(orders)))
      const listener = getRequestListener(honoFetch(app, hono))
      return (request, response) => void listener(request, response)
    },
  ],
  [
    'Koa',
    (app) => {
      const koa = new Koa()
      koa.use(async (ctx, next) => {
        ctx.scope.provide(tenant, ctx.get('x-tenant'))
        await next()
      })
      koa.use(async (ctx) => {
        ctx.body = await ctx.scope.get(orders)
      })
      return koaListener(app, koa)
    },
  ],
]

describe('a middleware provides what a request brings with it, and a resource reads it', () => {
  for (const [name, serve] of servers) {
    test(`with ${name}, in requests side by side`, async () => {
      await using site = await Site.open((made) => {
        const serving = Promise.resolve(serve(made.app))
        return (request, response) => {
          void serving.then((listener) => listener(request, response))
        }
      })
      const tenants = ['acme', 'umbrella', 'initech']
      const answers = await Promise.all(
        tenants.map((one) => ask(site, '/', { headers: { 'x-tenant': one } })),
      )
      assert.deepEqual(
        answers.map(({ body }) => JSON.parse(body)),
        tenants.map((of) => ({ of })),
      )
    })
  }
})

test('the scope of a request to a mounted router is named by the whole path, without the query', async () => {
  await using site = await Site.open(({ app }) => {
    const router = express.Router()
    router.use(expressScope(app))
    router.get(
      '/:id',
      expressHandler((_request, _response, scope) => scope.name),
    )
    return express().use('/orders', router)
  })
  assert.equal((await ask(site, '/orders/7?token=secret')).body, 'GET /orders/7')
})

describe('an error that a middleware of its framework answers', () => {
  /** A handler that begins something and fails, and what became of that. */
  async function answeredBy(
    make: (app: App, fail: () => never) => RequestListener,
    status: number,
  ) {
    const outcomes: string[] = []
    await using site = await Site.open((made) =>
      make(made.app, () => {
        currentScope().defer((exit) => outcomes.push(exit.status))
        throw Object.assign(new Error('taken'), { status })
      }),
    )
    assert.equal((await ask(site, '/')).status, status)
    return outcomes
  }

  for (const status of [409, 500]) {
    test(`of Express with ${status} completes nothing`, async () => {
      const outcomes = await answeredBy((app, fail) => {
        const server = express()
        server.use(expressScope(app), fail)
        server.use(
          (
            error: { status: number },
            _request: Request,
            response: Response,
            _next: NextFunction,
          ) => {
            response.status(error.status).json({ message: 'mine' })
          },
        )
        return server
      }, status)
      assert.notDeepEqual(outcomes, ['success'])
    })

    test(`of Koa with ${status} completes nothing`, async () => {
      const outcomes = await answeredBy((app, fail) => {
        const koa = new Koa()
        koa.use(async (ctx, next) => {
          try {
            await next()
          } catch (error) {
            ctx.status = (error as { status: number }).status
            ctx.body = { message: 'mine' }
          }
        })
        koa.use(fail)
        return koaListener(app, koa)
      }, status)
      assert.notDeepEqual(outcomes, ['success'])
    })

    for (const known of [true, false]) {
      test(`of Hono with ${status} completes nothing, with${known ? '' : 'out'} its middleware`, async () => {
        const outcomes = await answeredBy((app, fail) => {
          const hono = new Hono()
          if (known) hono.use(honoScope(app))
          hono.get('/', fail)
          hono.onError((_error, c) => c.json({ message: 'mine' }, status as 409))
          const listener = getRequestListener(honoFetch(app, hono))
          return (request, response) => void listener(request, response)
        }, status)
        assert.notDeepEqual(outcomes, ['success'])
      })
    }
  }

  test('of Hono is told from a status that a handler chose, which completes its scope', async () => {
    const outcomes: string[] = []
    await using site = await Site.open((made) => {
      const hono = new Hono().use(honoScope(made.app)).get('/', (c) => {
        c.var.scope.defer(({ status }) => outcomes.push(status))
        return c.json({ wrong: 'name' }, 422)
      })
      const listener = getRequestListener(honoFetch(made.app, hono))
      return (request, response) => void listener(request, response)
    })
    assert.equal((await ask(site, '/')).status, 422)
    assert.deepEqual(outcomes, ['success'])
  })
})
