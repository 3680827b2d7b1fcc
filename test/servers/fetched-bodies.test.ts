/** A `Response` or a web stream as the answer: in each framework its scope closes as it does for other answers. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { describe, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'

import { getRequestListener } from '@hono/node-server'
import express from 'express'
import Fastify, { type FastifyInstance } from 'fastify'
import { Hono } from 'hono'
import Koa from 'koa'
import { currentScope, type App, type Scope } from 'unwind'
import { expressHandler, expressScope } from 'unwind/express'
import { fastifyScope } from 'unwind/fastify'
import { honoFetch } from 'unwind/hono'
import { handle } from 'unwind/http'
import { koaListener } from 'unwind/koa'

import { within } from '../core/support/promises.ts'
import { ask, Peer } from './support/client.ts'
import { opened, type Call, type Kind, type Reply } from './support/kinds.ts'
import { Site } from './support/site.ts'

type Make = (scope: Scope) => Response | ReadableStream

/** A server that answers with what `make` makes. */
type Open = (app: App, make: () => Promise<Response | ReadableStream>) => Server | Promise<Server>

const servers: Readonly<Record<string, Open>> = {
  handle: (app, make) => createServer(handle(app, make)),
  'Express with expressHandler': (app, make) =>
    createServer(express().set('env', 'test').use(expressScope(app)).use(expressHandler(make))),
  Fastify: (app, make) => fastified(app, (server) => server.get('/', make)),
  'Fastify with reply.send': (app, make) =>
    fastified(app, (server) =>
      server.get('/', (_request, reply) => {
        make().then(
          (made) => reply.send(made),
          (error: unknown) => reply.send(error),
        )
      }),
    ),
  'Fastify with reply.send as the last step': (app, make) =>
    fastified(app, (server) =>
      server.get('/', async (_request, reply) => {
        void reply.send(await make())
      }),
    ),
  Hono: (app, make) => {
    const hono = new Hono().get('/', async () => new Response(...partsOf(await make())))
    const listener = getRequestListener(honoFetch(app, hono))
    return createServer((request, response) => void listener(request, response))
  },
  Koa: (app, make) => {
    const koa = new Koa().use(async (ctx) => {
      ctx.body = await make()
    })
    koa.silent = true
    return createServer(koaListener(app, koa))
  },
}

async function fastified(app: App, add: (server: FastifyInstance) => unknown): Promise<Server> {
  const server = Fastify()
  await server.register(fastifyScope, { app })
  add(server)
  await server.ready()
  return server.server
}

/** Hono takes nothing but a `Response`. */
function partsOf(made: Response | ReadableStream): ConstructorParameters<typeof Response> {
  return made instanceof ReadableStream ? [made] : [made.body, made]
}

/** A site whose answers `make` makes, and what its scopes were when the first byte left. */
async function serving(open: Open, make: Make): Promise<{ site: Site; states: string[] }> {
  const states: string[] = []
  const kind: Pick<Kind, 'open'> = {
    open: async (app, handler) => {
      const made = async (): Promise<Response | ReadableStream> => {
        const scope = currentScope()
        // Nothing else of the call is used here.
        const { body } = await handler({ scope } as Call)
        return body as unknown as Response
      }
      const server = await open(app, made)
      server.prependListener('request', (_request, { socket }) => {
        const write = socket?.write
        if (socket !== null) {
          socket.write = (...parameters: never[]): boolean => {
            states.push(site.watched[0]?.scope.state ?? 'none')
            return Reflect.apply(write as never, socket, parameters)
          }
        }
      })
      return opened(server)
    },
  }
  const site: Site = await Site.serve(kind, async ({ scope }) => {
    await turn()
    return { body: make(scope) as unknown as Exclude<Reply['body'], undefined> }
  })
  return { site, states }
}

const whole: Readonly<Record<string, readonly [Make, body: string]>> = {
  'a Response of a string': [() => new Response('whole'), 'whole'],
  'a Response of JSON': [() => Response.json({ whole: true }), '{"whole":true}'],
  'a Response without a body': [() => new Response(null, { status: 200 }), ''],
}

/** Each says how its scope is by then. */
async function* pieces(scope: Scope): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < 2; i += 1) {
    await turn()
    await turn()
    yield Buffer.from(`${scope.state} `)
  }
}

async function* endless(scope: Scope, ends: string[]): AsyncGenerator<Uint8Array> {
  try {
    for (;;) yield* pieces(scope)
  } finally {
    await turn()
    ends.push(scope.state)
  }
}

const streams: readonly (readonly [string, (stream: ReadableStream) => ReturnType<Make>])[] = [
  ['a Response of a stream', (stream) => new Response(stream)],
  ['a web stream', (stream) => stream],
]

for (const [name, open] of Object.entries(servers)) {
  describe(`with ${name}`, () => {
    for (const [what, [make, body]] of Object.entries(whole)) {
      for (const method of ['GET', 'HEAD']) {
        test(`${what} is sent after its scope closed, to ${method}`, async () => {
          const { site, states } = await serving(open, make)
          await using _ = site
          const answer = await ask(site, '/', { method })
          assert.deepEqual([answer.status, answer.body], [200, method === 'GET' ? body : ''])
          const { 'content-length': length = body.length } = answer.headers
          // To HEAD, Fastify takes the `undefined` that such a handler returns for a body of no bytes.
          if (!name.endsWith('last step')) assert.equal(Number(length), body.length)
          assert.deepEqual([states[0], await site.statuses()], ['closed', ['success']])
        })
      }

      test(`${what} is a 500 where its commit fails`, async () => {
        const { site } = await serving(open, (scope) => {
          scope.defer(() => {
            throw new Error('not committed')
          })
          return make(scope)
        })
        await using _ = site
        assert.equal((await ask(site, '/')).status, 500)
      })
    }

    for (const [what, wrap] of streams) {
      test(`${what} keeps its scope open until it ends`, async () => {
        const { site } = await serving(open, (scope) => wrap(ReadableStream.from(pieces(scope))))
        await using _ = site
        const answer = await ask(site, '/')
        assert.deepEqual([answer.status, answer.body], [200, 'open open '])
        assert.deepEqual(await site.statuses(), ['success'])
      })

      test(`${what} that is bound to its scope ends with it`, async () => {
        const { site } = await serving(open, (scope) =>
          wrap(ReadableStream.from(scope.stream(pieces(scope)))),
        )
        await using _ = site
        assert.equal((await ask(site, '/')).body, 'open open ')
        assert.deepEqual(await site.statuses(), ['success'])
      })

      test(`${what} whose client leaves has ended before anything is released`, async () => {
        const ends: string[] = []
        const { site } = await serving(open, (scope) =>
          wrap(ReadableStream.from(endless(scope, ends))),
        )
        await using _ = site
        const peer = await Peer.connect(site)
        peer.get('/')
        await peer.until('open')
        peer.reset()
        assert.deepEqual([await site.statuses(), ends], [['aborted'], ['open']])
      })

      test(`${what} that comes when its client has left is ended before anything is released, and was in time to succeed`, async () => {
        const running = Promise.withResolvers<void>()
        const ended = Promise.withResolvers<string>()
        const late = async (
          app: App,
          make: () => Promise<Response | ReadableStream>,
        ): Promise<Server> =>
          await open(app, async () => {
            const { signal } = currentScope()
            running.resolve()
            await once(signal, 'abort')
            return make()
          })
        const { site } = await serving(late, (scope) =>
          wrap(
            new ReadableStream({
              async cancel() {
                await turn()
                ended.resolve(scope.state)
              },
            }),
          ),
        )
        await using _ = site
        const peer = await Peer.connect(site)
        peer.get('/')
        await running.promise
        peer.reset()
        assert.equal(await within(ended.promise), 'open')
        assert.deepEqual(await site.statuses(), ['success'])
      })

      test(`${what} that is asked for by HEAD is ended`, async () => {
        const ended = Promise.withResolvers<void>()
        const { site } = await serving(open, () =>
          wrap(new ReadableStream({ cancel: () => ended.resolve() })),
        )
        await using _ = site
        assert.equal((await ask(site, '/', { method: 'HEAD' })).status, 200)
        // Hono drops it before anybody sees it.
        if (name !== 'Hono') await within(ended.promise)
        assert.deepEqual(await site.statuses(), ['success'])
      })

      // A stream that Hono was given is not looked into: that would cost more than the request does.
      if (name === 'Hono' && what === 'a web stream') continue
      for (const value of [new Error('no piece'), undefined, null] as unknown[]) {
        test(`${what} that fails before its first piece is a 500 (${String(value)})`, async () => {
          const { site } = await serving(open, () =>
            wrap(
              new ReadableStream({
                pull() {
                  throw value
                },
              }),
            ),
          )
          await using _ = site
          assert.equal((await ask(site, '/')).status, 500)
          assert.deepEqual(await site.statuses(), ['failure'])
        })
      }
    }
  })
}

test('Fastify, which reads no body of a 204, does not keep its scope open for one', async () => {
  const ends: string[] = []
  await using site = await Site.serve(
    {
      open: async (app, handler) => {
        const server = await fastified(app, (fastify) =>
          fastify.get('/', async (request, reply) => {
            await handler({ scope: request.scope } as Call)
            reply.code(204)
            return ReadableStream.from(endless(request.scope, ends))
          }),
        )
        return opened(server)
      },
    },
    async () => ({}),
  )
  assert.equal((await ask(site, '/')).status, 204)
  assert.deepEqual(await site.statuses(), ['success'])
})
