/** A commit that fails at the end of a stream: its client must see that the answer is not whole, on every server. */
import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { describe, test } from 'node:test'
import { createGzip } from 'node:zlib'
import { getRequestListener } from '@hono/node-server'
import { fastify, type FastifyReply, type FastifyRequest } from 'fastify'
import { Hono } from 'hono'
import { HTTPException } from 'hono/http-exception'
import Koa from 'koa'
import { currentScope, type App } from 'unwind'
import { fastifyScope } from 'unwind/fastify'
import { honoScope } from 'unwind/hono'
import { koaListener } from 'unwind/koa'

import { within } from '../core/support/promises.ts'
import { ask, Peer } from './support/client.ts'
import { kinds, plainKinds, type Opened } from './support/kinds.ts'
import { http2Kinds } from './support/over-http2.ts'
import { turn } from './support/scoped-site.ts'
import { Site } from './support/site.ts'

const notCommitted = new Error('not committed')

function fail(): never {
  throw notCommitted
}

async function* pieces(): AsyncGenerator<string> {
  yield 'one,'
  for (let turns = 0; turns < 5; turns += 1) await turn()
  yield 'two'
}

for (const kind of plainKinds.filter(({ seesResult }) => seesResult)) {
  describe(`a stream of ${kind.name}`, () => {
    test('whose commit fails is cut off, and never complete', async () => {
      await using site = await Site.serve(kind, async ({ scope }) => {
        scope.defer(fail)
        return { body: pieces() }
      })
      using peer = await Peer.connect(site)
      peer.get('/')
      await peer.closed
      assert.match(peer.received, /^HTTP\/1\.1 200 /)
      assert.match(peer.received, /one,/)
      assert.doesNotMatch(peer.received, /\r\n0\r\n/)
      await site.outcomes()
      assert.deepEqual(site.reported, [notCommitted])
    })

    test('is cut off where its commit fails with undefined', { timeout: 10_000 }, async () => {
      await using site = await Site.serve(kind, async ({ scope }) => {
        // oxlint-disable-next-line typescript/prefer-promise-reject-errors
        scope.defer(() => Promise.reject(undefined))
        return { body: pieces() }
      })
      using peer = await Peer.connect(site)
      peer.get('/')
      await peer.closed
      assert.doesNotMatch(peer.received, /\r\n0\r\n/)
      await site.outcomes()
      assert.deepEqual(site.reported, [undefined])
    })

    test('of a told length is not complete either', async () => {
      await using site = await Site.serve(kind, async ({ scope }) => {
        scope.defer(fail)
        return { body: pieces(), length: 7 }
      })
      using peer = await Peer.connect(site)
      peer.get('/')
      await peer.closed
      assert.match(peer.received, /content-length: 7\r\n.*\r\n\r\none,(tw)?$/is)
      await site.outcomes()
      assert.deepEqual(site.reported, [notCommitted])
    })

    test('of a told length is complete once everything is released, and not before', async () => {
      const released = Promise.withResolvers<void>()
      await using site = await Site.serve(kind, async ({ scope }) => {
        scope.defer(() => released.promise)
        return { body: pieces(), length: 7 }
      })
      using peer = await Peer.connect(site)
      peer.get('/')
      await peer.until('one,tw')
      for (let turns = 0; turns < 10; turns += 1) await turn()
      assert.doesNotMatch(peer.received, /two/)
      released.resolve()
      await peer.until('one,two')
      peer.get('/')
      await peer.until('one,two', 2)
      assert.deepEqual(await site.statuses(), ['success', 'success'])
    })

    test('ends once everything is released, and not before', async () => {
      const released = Promise.withResolvers<void>()
      await using site = await Site.serve(kind, async ({ scope }) => {
        scope.defer(() => released.promise)
        return { body: pieces() }
      })
      using peer = await Peer.connect(site)
      peer.get('/')
      await peer.until('two')
      for (let turns = 0; turns < 10; turns += 1) await turn()
      assert.doesNotMatch(peer.received, /\r\n0\r\n/)
      released.resolve()
      await peer.until('\r\n0\r\n\r\n')
      assert.deepEqual(await site.statuses(), ['success'])
    })
  })
}

for (const kind of [...kinds, ...http2Kinds].filter(({ seesResult }) => seesResult)) {
  // To HEAD over HTTP/2 Koa itself answers no error.
  const skip = kind.name === 'Koa over HTTP/2'
  test(
    `a stream of ${kind.name} whose commit fails is no success for HEAD either`,
    { skip },
    async () => {
      await using site = await Site.serve(kind, async ({ scope }) => {
        scope.defer(fail)
        return { body: Readable.from(pieces()) }
      })
      assert.equal((await within(kind.ask(site, '/', { method: 'HEAD' }))).status, 500)
    },
  )

  for (const status of [204, 205, 304]) {
    test(`a stream of ${kind.name} that is not sent, with a ${status}, is ended before its scope closes`, async () => {
      const log: string[] = []
      const producer = async function* producer(): AsyncGenerator<string> {
        log.push('begun')
        try {
          yield* pieces()
        } finally {
          log.push('ended')
        }
      }
      await using site = await Site.serve(kind, async ({ scope }) => {
        scope.defer((exit) => log.push(`released: ${exit.status}`))
        return { status, body: Readable.from(producer()) }
      })
      assert.equal((await kind.ask(site, '/')).status, status)
      await site.outcomes()
      await turn()
      assert.equal(log.at(-1), 'released: success')
    })
  }
}

for (const [how, wait] of [
  ['returns', (reply: FastifyReply) => reply],
  ['awaits', async (reply: FastifyReply) => void (await reply)],
] as const) {
  test(`so is a stream of a handler of Fastify that ${how} its reply`, async () => {
    await using site = await Site.serve(
      {
        open: open(async ({ scope }, reply) => {
          scope.defer(fail)
          return wait(reply.send(Readable.from(pieces())))
        }),
      },
      async () => ({}),
    )
    using peer = await Peer.connect(site)
    peer.get('/')
    await peer.closed
    assert.match(peer.received, /one,/)
    assert.doesNotMatch(peer.received, /\r\n0\r\n/)
    while (site.reported.length === 0) await turn()
    assert.deepEqual(site.reported, [notCommitted])
  })
}

function open(route: (request: FastifyRequest, reply: FastifyReply) => unknown) {
  return async (app: App): Promise<Opened> => {
    const server = fastify()
    await server.register(fastifyScope, { app })
    server.get('/', async (request, reply) => route(request, reply))
    await server.ready()
    return { server: server.server, stop: () => server.close() }
  }
}

test('in Koa, what a middleware makes of a text, as one that compresses does, is cut off with it', async () => {
  await using site = await Site.open(({ app }) => {
    const koa = new Koa()
    koa.silent = true
    koa.use(async (ctx, next) => {
      await next()
      const gzip = createGzip()
      gzip.end(ctx.body)
      ctx.body = gzip
      ctx.set('Content-Encoding', 'gzip')
    })
    koa.use((ctx) => {
      ctx.scope.defer(fail)
      ctx.body = 'a text'
    })
    return koaListener(app, koa)
  })
  await assert.rejects(ask(site, '/'))
  assert.deepEqual(site.reported, [notCommitted])
})

test('in Hono, everything is released before the first byte of an HTTPException', async () => {
  let released = false
  await using site = await Site.open(({ app }) => {
    const hono = new Hono()
    hono.use(honoScope(app))
    hono.get('/', () => {
      currentScope().defer(async () => {
        for (let turns = 0; turns < 5; turns += 1) await turn()
        released = true
      })
      throw new HTTPException(409, { message: 'Sold out.' })
    })
    const listener = getRequestListener(hono.fetch)
    return (request, response) => void listener(request, response)
  })
  const { status, headers, body } = await ask(site, '/')
  assert.ok(released)
  assert.deepEqual([status, headers['transfer-encoding'], body], [409, undefined, 'Sold out.'])
})
