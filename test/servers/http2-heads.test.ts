/** Requests of HTTP/2 for a head alone: their stream ends with that, and their handler later. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Server, ServerResponse } from 'node:http'
import { connect, createServer, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { describe, test } from 'node:test'

import { fastify } from 'fastify'
import { createApp, type Exit } from 'unwind'
import { fastifyScope } from 'unwind/fastify'
import { scoped } from 'unwind/http'

import { turn } from './support/scoped-site.ts'
import { Site } from './support/site.ts'

/** Ask for the head alone, once. */
async function within(
  handler: (response: ServerResponse) => unknown,
  body: (site: Site, stream: ClientHttp2Stream, session: ClientHttp2Session) => Promise<void>,
): Promise<void> {
  await using site = await Site.open(
    (opened) =>
      scoped(opened.app, (_request, response: ServerResponse) => {
        opened.watch()
        return handler(response)
      }),
    // The compatibility API is that of http.
    createServer() as unknown as Server,
  )
  const session = connect(`http://127.0.0.1:${site.port}`)
  const stream = session.request({ ':path': '/', ':method': 'HEAD' })
  stream.on('error', () => {})
  try {
    await body(site, stream, session)
  } finally {
    session.destroy()
  }
}

async function* pieces(): AsyncGenerator<string> {
  for (const piece of 'abcdefghij') {
    yield piece
    await turn()
  }
}

describe('a request of HTTP/2 for the head alone', () => {
  test('ends the stream that a route of Fastify returns', { timeout: 10_000 }, async () => {
    await using app = createApp()
    const server = fastify({ http2: true })
    await server.register(fastifyScope, { app })
    const ended = Promise.withResolvers<Exit>()
    server.head('/', async ({ scope }) => {
      scope.defer(ended.resolve)
      return Readable.from(pieces())
    })
    const session = connect(await server.listen({ port: 0, host: '127.0.0.1' }))
    session.request({ ':path': '/', ':method': 'HEAD' }).resume()
    assert.equal((await ended.promise).status, 'success')
    session.destroy()
    await server.close()
  })

  test('goes on after that was sent', async () => {
    const handler = async (response: ServerResponse): Promise<void> => {
      response.write('half')
      await turn()
      await turn()
      response.end('whole')
    }
    await within(handler, async (site, stream) => {
      await once(stream, 'close')
      assert.deepEqual(await site.statuses(), ['success'])
    })
  })

  test('does not keep its session where its handler fails after that was sent', async () => {
    const handler = async (response: ServerResponse): Promise<void> => {
      response.write('half')
      await turn()
      throw new Error('too late')
    }
    await within(handler, async (site, stream, session) => {
      await once(stream, 'response')
      assert.deepEqual(await site.statuses(), ['failure'])
      const ended = once(site.server, 'close')
      site.server.close()
      session.close()
      await ended
    })
  })

  test('ends what is piped into its answer, of which nothing is sent', async () => {
    const body = Readable.from(['a', 'b', 'c'])
    const handler = async (response: ServerResponse): Promise<void> => {
      await pipeline(body, response).catch(() => {})
    }
    await within(handler, async (site, stream) => {
      await once(stream, 'close')
      assert.deepEqual(await site.statuses(), ['success'])
      assert.ok(body.destroyed)
    })
  })
})
