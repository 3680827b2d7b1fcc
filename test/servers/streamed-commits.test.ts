/** A commit that fails at the end of a stream: its client must see that the answer is not whole, on every server. */
import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { describe, test } from 'node:test'
import { createGzip } from 'node:zlib'
import { fastify, type FastifyReply, type FastifyRequest } from 'fastify'
import Koa from 'koa'
import type { App } from 'unwind'
import { fastifyScope } from 'unwind/fastify'
import { koaListener } from 'unwind/koa'

import { ask, Peer } from './support/client.ts'
import { kinds, plainKinds, type Opened } from './support/kinds.ts'
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

for (const kind of kinds.filter(({ seesResult }) => seesResult)) {
  test(`a stream of ${kind.name} whose commit fails is no success for HEAD either`, async () => {
    await using site = await Site.serve(kind, async ({ scope }) => {
      scope.defer(fail)
      return { body: Readable.from(pieces()) }
    })
    const answer = kind.ask(site, '/', { method: 'HEAD' })
    // Fastify reads it all the same, and is cut off.
    if (kind.name.startsWith('Fastify')) await assert.rejects(answer, { code: 'ECONNRESET' })
    else assert.equal((await answer).status, 500)
  })
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
