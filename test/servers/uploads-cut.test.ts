import assert from 'node:assert/strict'
import { text } from 'node:stream/consumers'
import { describe, test } from 'node:test'

import multipart from '@fastify/multipart'
import { getRequestListener } from '@hono/node-server'
import express, { type NextFunction, type Request, type Response } from 'express'
import { fastify } from 'fastify'
import { Hono } from 'hono'
import multer from 'multer'
import { createApp, currentScope, type Exit } from 'unwind'
import { expressScope } from 'unwind/express'
import { fastifyScope } from 'unwind/fastify'
import { honoFetch, honoScope } from 'unwind/hono'

import { Peer } from './support/client.ts'
import { plainKinds, type Call } from './support/kinds.ts'
import { openScoped, turn } from './support/scoped-site.ts'
import { Site } from './support/site.ts'

for (const kind of plainKinds) {
  describe(`an upload to ${kind.name}`, () => {
    test('that is cut off fails to be read, and its scope does not succeed', async () => {
      await using site = await Site.serve(kind, async ({ body }) => ({ body: await body() }))
      using peer = await Peer.connect(site)
      peer.post('/', 'half of it', 100)
      // Some frameworks read the body before its handler.
      while (site.app.inspect().children.length === 0) await turn()
      peer.reset()
      const statuses = await site.statuses()
      while (site.app.inspect().children.length > 0) await turn()
      for (const status of statuses) assert.equal(status, 'aborted')
    })

    test('that nobody reads is answered, and its scope closes', async () => {
      await using site = await Site.serve(kind, async () => ({ status: 413, body: 'too much' }))
      using peer = await Peer.connect(site)
      peer.post('/', 'x'.repeat(1_000), 1_000)
      await peer.until('too much')
      await site.outcomes()
    })
  })
}

describe('an upload whose connection ends after its answer fails to be read, and its scope closes', () => {
  const limits = { timeout: 10_000 }
  for (const kind of plainKinds) {
    test(`in ${kind.name}, answered by its deadline`, limits, async () => {
      const read = async ({ body }: Call) => ({ body: await body() })
      const options = { timeout: 20, abandonAfter: 100_000 }
      await using site = await Site.serve(kind, read, options)
      using peer = await Peer.connect(site)
      peer.post('/', 'half of it', 100)
      await peer.until('HTTP/1.1 503 ')
      peer.reset()
      while (site.app.inspect().children.length > 0) await turn()
      assert.deepEqual(site.reported, [])
    })
  }

  test('in scoped, answered by its handler', limits, async () => {
    await using site = await openScoped(async (request, response) => {
      response.end('too much')
      await text(request)
    })
    using peer = await Peer.connect(site)
    peer.post('/', 'half of it', 100)
    await peer.until('too much')
    peer.reset()
    while (site.app.inspect().children.length > 0) await turn()
  })
})

describe('a client that leaves behind more than the server has read', () => {
  test('is noticed when the server writes, not before: the socket is paused', async () => {
    const running = Promise.withResolvers<void>()
    const write = Promise.withResolvers<void>()
    await using site = await openScoped(async (_request, response) => {
      running.resolve()
      await write.promise
      for (let piece = 0; piece < 64 && !response.destroyed; piece += 1) {
        response.write('x'.repeat(65_536))
        await turn()
      }
      if (!response.destroyed) response.end()
    })
    using peer = await Peer.connect(site)
    peer.post('/', 'x'.repeat(200_000), 1_000_000)
    await running.promise
    peer.reset()
    await peer.closed
    assert.equal(site.watched[0]?.scope.state, 'open')
    write.resolve()
    await site.outcomes()
  })
})

describe('a form that is cut off', () => {
  const head = [
    '--between',
    'Content-Disposition: form-data; name="file"; filename="a.txt"',
    'Content-Type: text/plain',
    '',
    'half of it',
  ].join('\r\n')

  /** Sends the first half of a form, waits until its request runs, and leaves. */
  async function sendHalf(site: Site): Promise<void> {
    using peer = await Peer.connect(site)
    const type = 'Content-Type: multipart/form-data; boundary=between'
    peer.socket.write(
      ['POST / HTTP/1.1', 'Host: test', type, 'Content-Length: 1000', '', head].join('\r\n'),
    )
    while (site.app.inspect().children.length === 0) await turn()
    peer.reset()
    await peer.closed
    while (site.app.inspect().children.length > 0) await turn()
  }

  test('ends in the error handlers of Express with multer, and its scope closes', async () => {
    const failed: unknown[] = []
    const server = express().set('env', 'test')
    await using site = await Site.open((made) => {
      server.use(expressScope(made.app), multer().any())
      server.use((error: unknown, _request: Request, response: Response, _next: NextFunction) => {
        failed.push(error)
        response.end()
      })
      return server
    })
    await sendHalf(site)
    assert.equal(failed.length, 1)
  })

  test('ends the handler of Fastify with @fastify/multipart, and its scope closes', async () => {
    const app = createApp()
    const server = fastify()
    await server.register(fastifyScope, { app })
    await server.register(multipart)
    server.post('/', async (request) => {
      const file = await request.file()
      return file?.toBuffer()
    })
    await server.listen({ port: 0, host: '127.0.0.1' })
    const { port } = server.server.address() as { port: number }
    await sendHalf({ app, port } as Site)
    await server.close()
  })

  for (const kind of ['honoFetch', 'honoScope'] as const) {
    test(`fails parseBody() of Hono with ${kind}, and its scope closes`, async () => {
      const failed: unknown[] = []
      const hono = new Hono()
      const exits: Promise<Exit>[] = []
      await using site = await Site.open(({ app }) => {
        if (kind === 'honoScope') hono.use(honoScope(app))
        hono.post('/', async (c) => {
          const ended = Promise.withResolvers<Exit>()
          currentScope().defer(ended.resolve)
          exits.push(ended.promise)
          const { file } = await c.req.parseBody()
          return c.json({ got: typeof file })
        })
        hono.onError((error, c) => {
          failed.push(error)
          return c.text('not read', 400)
        })
        const listener = getRequestListener(
          kind === 'honoFetch' ? honoFetch(app, hono) : hono.fetch,
        )
        return (request, response) => void listener(request, response)
      })
      await sendHalf(site)
      assert.equal(failed.length, 1)
      assert.deepEqual(
        (await Promise.all(exits)).map(({ status }) => status),
        ['aborted'],
      )
    })
  }
})
