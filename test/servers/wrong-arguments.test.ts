/** What cannot be served is refused where it is given, and not by its first request. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { describe, test } from 'node:test'

import express, { type ErrorRequestHandler } from 'express'
import Fastify from 'fastify'
import { Hono } from 'hono'
import Koa from 'koa'
import supertest from 'supertest'
import { createApp, type App } from 'unwind'
import { expressHandler, expressScope } from 'unwind/express'
import { fastifyScope } from 'unwind/fastify'
import { honoFetch, honoScope } from 'unwind/hono'
import { graceful, handle, listen, scoped } from 'unwind/http'
import { koaListener } from 'unwind/koa'

import { rejection, within } from '../core/support/promises.ts'

test('graceful() and listen() want a server, not what is to be served', async () => {
  await using app = createApp()
  const wanted =
    /second argument of (?:graceful|listen)\(\) to be a server of http.*createServer.*Fastify/
  for (const given of [undefined, {}, express(), handle(app, () => ''), Fastify()]) {
    assert.throws(() => graceful(app, given as never), wanted)
    assert.match(String(await rejection(listen(app, given as never, { port: 0 }))), wanted)
  }
})

test('listen() without a port says that it needs one', async () => {
  await using app = createApp()
  for (const options of [undefined, {}, { port: undefined, host: '::1' }]) {
    const error = await rejection(listen(app, createServer(), options as never))
    assert.match(String(error), /options of listen\(\) to be there, with a `port`, received/)
  }
})

test('koaListener() wants the app of Koa, not its callback', async () => {
  await using app = createApp()
  for (const given of [undefined, {}, new Koa().callback()]) {
    assert.throws(() => koaListener(app, given as never), /to be a Koa app, not its callback\(\)/)
  }
})

test('honoFetch() wants the app of Hono, not its fetch', async () => {
  await using app = createApp()
  for (const given of [undefined, {}, new Hono().fetch]) {
    assert.throws(() => honoFetch(app, given as never), /to be a Hono app, not its fetch/)
  }
})

test('fastifyScope that is called and not registered says how it is registered', async () => {
  await using app = createApp()
  const call = fastifyScope as (...given: unknown[]) => Promise<void>
  for (const given of [[app], [undefined, { app }], [Fastify()]]) {
    assert.match(
      String(await rejection(call(...given))),
      /TypeError: .*register\(fastifyScope, \{ app/,
    )
  }
})

test('fastifyScope wants its app among its options', async () => {
  const fastify = Fastify()
  const error = await rejection(Promise.resolve(fastify.register(fastifyScope, {} as never)))
  assert.match(String(error), /option `app` of fastifyScope to be an app/)
  await fastify.close()
})

describe('what is called by another server than the one it was made for', () => {
  const made: Readonly<Record<string, (app: App) => unknown>> = {
    handle: (app) => handle(app, () => ''),
    scoped: (app) => scoped(app, () => {}),
    expressScope: (app) => expressScope(app),
    expressHandler: () => expressHandler(() => ''),
    honoFetch: (app) => honoFetch(app, new Hono()),
    honoScope: (app) => honoScope(app),
    koaListener: (app) => koaListener(app, new Koa()),
  }
  const ofExpress = new Set(['handle', 'scoped', 'expressScope', 'expressHandler', 'koaListener'])
  /** Each gives back what its error handler is told. */
  const callers: Readonly<Record<string, (listener: never) => Promise<unknown>>> = {
    express: async (listener) => {
      const told = Promise.withResolvers<unknown>()
      const server = express().use(listener)
      const tell: ErrorRequestHandler = (error, _request, response, _next) => {
        response.end()
        told.resolve(error)
      }
      await supertest(server.use(tell)).get('/')
      return await told.promise
    },
    fastify: async (listener) => {
      await using server = Fastify()
      const told = Promise.withResolvers<unknown>()
      server.get('/', listener)
      server.addHook('onError', async (_request, _reply, error) => told.resolve(error))
      await server.inject('/')
      return await told.promise
    },
    koa: async (listener) => {
      const koa = new Koa().use(listener)
      const told = once(koa, 'error')
      await supertest(koa.callback()).get('/')
      return (await told)[0]
    },
    hono: async (listener) => {
      const told = Promise.withResolvers<unknown>()
      const hono = new Hono().get('/', listener).onError((error, c) => {
        told.resolve(error)
        return c.body(null)
      })
      await hono.request('/')
      return await told.promise
    },
    nobody: async (listener) => {
      // What throws at once, and what rejects.
      const call = async (): Promise<unknown> => (listener as () => unknown)()
      return await rejection(call())
    },
  }
  for (const [by, call] of Object.entries(callers)) {
    for (const [name, make] of Object.entries(made)) {
      if (by === 'express' && ofExpress.has(name)) continue
      if (by === 'hono' && name === 'honoScope') continue
      test(`${name}() by ${by}, says what it is for, and opens no scope`, async () => {
        await using app = createApp()
        const error = await within(call(make(app) as never))
        const wanted = new RegExp(`TypeError: Expected .*what ${name}\\(\\) made to be .*unwind/`)
        assert.match(String(error), wanted)
        assert.deepEqual(app.inspect().children, [])
      })
    }
  }

  test('expressScope() by a server of Node.js, is a 500, and the app is told', async () => {
    const reported: unknown[] = []
    await using app = createApp({ onError: (error) => reported.push(error) })
    const answer = await supertest(createServer(expressScope(app) as never)).get('/')
    assert.equal(answer.status, 500)
    assert.match(
      String(reported),
      /TypeError: Expected .*what expressScope\(\) made to be .*`next`/,
    )
    assert.deepEqual(app.inspect().children, [])
  })
})
