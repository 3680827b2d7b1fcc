/** Adapters inside of one another: a request has one scope, which its answer closes, whoever opened it. */
import assert from 'node:assert/strict'
import { createServer, type RequestListener } from 'node:http'
import { Readable } from 'node:stream'
import { describe, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'

import Fastify from 'fastify'
import { Hono } from 'hono'
import Koa from 'koa'
import { createApp, currentScope, type App, type Exit } from 'unwind'
import { expressHandler } from 'unwind/express'
import { fastifyScope } from 'unwind/fastify'
import { honoFetch, honoScope } from 'unwind/hono'
import { handle, scoped } from 'unwind/http'
import { koaListener } from 'unwind/koa'

import { ask } from './support/client.ts'
import { opened, type Call, type Kind } from './support/kinds.ts'
import { expressed, heard, outers, type Outer } from './support/outers.ts'
import { Site } from './support/site.ts'

/** A listener that calls `work` in the scope of its request and answers with 'done'. */
type Inner = (app: App, work: () => Promise<void>) => RequestListener | Promise<RequestListener>

/** Those that see the result, or answer by themselves in any case. */
const inners: Readonly<Record<string, Inner>> = {
  'handle, with a string': (app, work) => handle(app, () => work().then(() => 'done')),
  'handle, with a stream': (app, work) =>
    handle(app, async () => {
      await work()
      return Readable.from(['do', 'ne'])
    }),
  'scoped, with an async listener': (app, work) =>
    scoped(app, async (_request, response) => {
      await work()
      response.end('done')
      await turn()
    }),
  'scoped, with an async listener, and told to close at the answer': (app, work) =>
    scoped(
      app,
      async (_request, response) => {
        await work()
        response.end('done')
      },
      { closeAt: 'answer' },
    ),
  'scoped, with a listener that pipes': (app, work) =>
    scoped(app, (_request, response) => {
      work().then(
        () => Readable.from(['do', 'ne']).pipe(response),
        () => response.writeHead(500).end(),
      )
    }),
  expressScope: (app, work) =>
    expressed(app).use(async (_request, response) => {
      await work()
      response.send('done')
    }),
  expressHandler: (app, work) =>
    expressed(app).use(expressHandler(() => work().then(() => 'done'))),
  fastifyScope: async (app, work) => {
    const server = Fastify()
    await server.register(fastifyScope, { app })
    server.get('/', () => work().then(() => 'done'))
    await server.ready()
    return (request, response) => server.routing(request, response)
  },
  'fastifyScope, after its route': async (app, work) => {
    const server = Fastify()
    server.get('/', () => work().then(() => 'done'))
    await server.register(fastifyScope, { app })
    await server.ready()
    return (request, response) => server.routing(request, response)
  },
  honoFetch: (app, work) => {
    const hono = new Hono().get('/', (c) => work().then(() => c.text('done')))
    hono.onError((_error, c) => c.text('failed', 500))
    return heard(honoFetch(app, hono))
  },
  honoScope: (app, work) => {
    const hono = new Hono().use(honoScope(app)).get('/', (c) => work().then(() => c.text('done')))
    hono.onError((_error, c) => c.text('failed', 500))
    return heard(hono.fetch)
  },
  koaListener: (app, work) => {
    const koa = new Koa().use(async (ctx) => {
      await work()
      ctx.body = 'done'
    })
    koa.silent = true
    return koaListener(app, koa)
  },
}

/** Those that see the whole result, wherever they are. */
const closesBefore = new Set([
  'handle, with a string',
  'expressHandler',
  'fastifyScope',
  'fastifyScope, after its route',
  'honoFetch',
  'honoScope',
  'koaListener',
])

/** One request of `inner` inside of `outer`. */
async function asked(
  outer: Outer,
  inner: Inner,
  work: () => Promise<void>,
): Promise<readonly [status: number | undefined, body: string, exits: Exit[]]> {
  const kind: Pick<Kind, 'open'> = {
    open: async (app, handler) => {
      const called = async (): Promise<void> => {
        // Nothing else of the call is used here.
        await handler({ scope: currentScope() } as Call)
      }
      return opened(await outer(app, await inner(app, called)))
    },
  }
  await using site = await Site.serve(kind, () => work().then(() => ({})))
  const { status, body } = await ask(site, '/')
  return [status, body, await site.outcomes()]
}

for (const [name, inner] of Object.entries(inners)) {
  test(`${name} refuses to serve in the scope of another app`, async () => {
    await using other = createApp({ name: 'other' })
    const [status, , exits] = await asked(
      (app, listener) => createServer(scoped(app, listener)),
      (_app, work) => inner(other, work),
      () => Promise.reject(new Error('called')),
    )
    assert.deepEqual([status, exits.length], [500, 0])
  })
}

test('what is of another app is refused by the names of both', async () => {
  const errors: string[] = []
  await using app = createApp({ name: 'shop', onError: (error) => void errors.push(String(error)) })
  await using other = createApp({ name: 'other' })
  const kind: Pick<Kind, 'open'> = {
    open: () =>
      Promise.resolve(
        opened(
          createServer(
            scoped(
              app,
              handle(other, () => 'never'),
            ),
          ),
        ),
      ),
  }
  await using site = await Site.serve(kind, () => Promise.resolve({}))
  await ask(site, '/')
  assert.match(String(errors), /, "shop" \(app s\w+\), received "other" \(app s\w+\)\.$/)
})

/** Calls its work in a hook, and has nothing at the path that is asked for. */
const routeless: Inner = async (app, work) => {
  const server = Fastify()
  await server.register(fastifyScope, { app })
  server.addHook('onRequest', () => work())
  await server.ready()
  return (request, response) => server.routing(request, response)
}

for (const [around, outer] of Object.entries(outers)) {
  // Within itself it is one adapter, and a listener of its own, which a route calls there, has answered by itself.
  const sees = (name: string): boolean => around !== 'Hono' || !name.startsWith('hono')
  describe(`within ${around}`, () => {
    test('fastifyScope completes nothing by a 404 for want of a route', async () => {
      const [status, , exits] = await asked(outer, routeless, () => turn())
      assert.deepEqual([status, exits.map((exit) => exit.status)], [404, ['unknown']])
    })

    for (const [name, inner] of Object.entries(inners)) {
      test(`${name} answers in the one scope of its request, which is open meanwhile`, async () => {
        let state: string | undefined
        const [status, body, exits] = await asked(outer, inner, async () => {
          await turn()
          state = currentScope().state
        })
        assert.deepEqual([status, body, exits.length, state], [200, 'done', 1, 'open'])
        // What is returned is a result; what was written by itself commits before.
        const isResult = (closesBefore.has(name) && sees(name)) || name.startsWith('handle')
        if (isResult) assert.equal(exits[0]?.status, 'success')
      })

      test(`${name} that fails is answered with 500, and completes nothing`, async () => {
        const [status, body, exits] = await asked(outer, inner, async () => {
          await turn()
          throw new Error('no')
        })
        assert.deepEqual([status, exits.length], [500, 1])
        assert.notEqual(exits[0]?.status, 'success')
        if (name.startsWith('hono')) assert.equal(body, 'failed')
      })

      if (!closesBefore.has(name) || !sees(name)) continue
      test(`${name} closes that before it answers, so that a commit that fails is a 500`, async () => {
        const [status, body] = await asked(outer, inner, async () => {
          currentScope().defer(() => {
            throw new Error('no commit')
          })
        })
        assert.equal(status, 500)
        assert.doesNotMatch(body, /done/)
      })
    }
  })
}
