import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { RequestListener, Server } from 'node:http'
import {
  connect,
  constants,
  createSecureServer,
  createServer,
  type ClientHttp2Session,
} from 'node:http2'
import { request as send } from 'node:https'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { describe, test } from 'node:test'

import { currentScope } from 'unwind'
import { handle, scoped } from 'unwind/http'

import { clientSecrets, secrets } from './support/other-clients.ts'
import { turn, untilAborted } from './support/scoped-site.ts'
import { Site } from './support/site.ts'

type Handler = (
  request: Readable & { readonly stream: { readonly aborted: boolean } },
  response: Answer,
) => unknown
/** The part of a response of the compatibility API that is used. */
type Answer = NodeJS.WritableStream & { end(text?: string): unknown }

/** A server in the clear, with each call watched. */
function serve(handler: Handler): Promise<Site> {
  // The compatibility API is that of http.
  const server = createServer() as unknown as Server
  return Site.open(
    (site) =>
      scoped(site.app, (request: Parameters<Handler>[0], response: Answer) => {
        site.watch()
        return handler(request, response)
      }),
    server,
  )
}

/** The same for a handler whose result is its answer. */
function serveHandled(handler: (request: Readable) => unknown): Promise<Site> {
  const make = (site: Site): RequestListener =>
    handle(site.app, (request, _response, scope) => {
      site.watch(scope)
      return handler(request)
    })
  return Site.open(make, createServer() as unknown as Server)
}

async function within(
  site: Site,
  body: (session: ClientHttp2Session) => Promise<void>,
): Promise<void> {
  const session = connect(`http://127.0.0.1:${site.port}`)
  try {
    await body(session)
  } finally {
    session.destroy()
  }
}

describe('a request of HTTP/2', () => {
  for (const method of ['GET', 'HEAD']) {
    test(`that is cancelled in the middle of its handler is aborted (${method})`, async () => {
      const running = Promise.withResolvers<void>()
      await using site = await serve(async () => {
        running.resolve()
        await untilAborted(currentScope())
      })
      await within(site, async (session) => {
        const stream = session.request({ ':path': '/', ':method': method })
        await running.promise
        stream.close(constants.NGHTTP2_CANCEL)
        assert.deepEqual(await site.statuses(), ['aborted'])
      })
      assert.deepEqual(site.reported, [])
    })
  }

  test('that is cancelled in the middle of its stream is aborted, after its producer has ended', async () => {
    const log: string[] = []
    await using site = await serve(async (_request, response) => {
      currentScope().defer(({ status }) => log.push(status))
      const source = Readable.from(
        (async function* pieces() {
          try {
            for (;;) {
              yield 'piece'
              await turn()
            }
          } finally {
            log.push('producer ended')
          }
        })(),
      )
      await pipeline(source, response)
    })
    await within(site, async (session) => {
      const stream = session.request({ ':path': '/' })
      await once(stream, 'data')
      stream.close(constants.NGHTTP2_CANCEL)
      await site.outcomes()
    })
    assert.deepEqual(log, ['producer ended', 'aborted'])
  })

  test('that is cancelled in the middle of its upload can be told from one that is whole, by the signal of its scope', async () => {
    const reading = Promise.withResolvers<void>()
    let got = ''
    await using site = await serve(async (request) => {
      const scope = currentScope()
      for await (const piece of request) {
        got += String(piece)
        reading.resolve()
      }
      // The loop ends as if all were there.
      await turn()
      scope.signal.throwIfAborted()
      assert.fail('It looks whole.')
    })
    await within(site, async (session) => {
      const stream = session.request({ ':path': '/', ':method': 'POST' })
      stream.write('half')
      await reading.promise
      stream.close(constants.NGHTTP2_CANCEL)
      assert.deepEqual(await site.statuses(), ['aborted'])
    })
    assert.equal(got, 'half')
  })

  for (const [how, read] of [
    [
      'in a loop',
      async (request: Readable) => {
        let got = ''
        for await (const piece of request) got += String(piece)
        return got
      },
    ],
    ['as a whole', (request: Readable) => text(request)],
    [
      'by its events',
      (request: Readable) =>
        new Promise<string>((resolve, reject) => {
          let got = ''
          request.on('data', (piece) => (got += String(piece)))
          request.on('end', () => resolve(got))
          request.on('aborted', () => reject(new Error('cut off')))
        }),
    ],
  ] as const) {
    test(`that is cancelled in the middle of its upload fails to be read ${how}`, async () => {
      const ends: string[] = []
      await using site = await serveHandled(async (request) => {
        try {
          await read(request)
          ends.push('looks whole')
        } catch (error) {
          ends.push('cut off')
          throw error
        }
      })
      for (const code of [constants.NGHTTP2_CANCEL, constants.NGHTTP2_NO_ERROR]) {
        await within(site, async (session) => {
          const stream = session.request({ ':path': '/', ':method': 'POST' })
          stream.on('error', () => {})
          stream.write('half')
          while (site.watched.length === ends.length) await turn()
          stream.close(code)
          assert.deepEqual(new Set(await site.statuses()), new Set(['aborted']))
        })
      }
      assert.deepEqual(ends, ['cut off', 'cut off'])
      assert.deepEqual(site.reported, [])
    })

    test(`that brings all of its upload is read ${how}`, async () => {
      await using site = await serveHandled((request) => read(request))
      await within(site, async (session) => {
        const stream = session.request({ ':path': '/', ':method': 'POST' })
        stream.write('one,')
        stream.end('two')
        assert.equal(await text(stream), 'one,two')
      })
      assert.deepEqual(await site.statuses(), ['success'])
    })
  }

  test('whose answer has ended can be read to its end all the same', async () => {
    const read = Promise.withResolvers<string>()
    await using site = await serve(async (request, response) => {
      response.end('accepted')
      read.resolve(text(request))
      await read.promise
    })
    await within(site, async (session) => {
      const stream = session.request({ ':path': '/', ':method': 'POST' })
      stream.write('one,')
      assert.equal(await text(stream), 'accepted')
      stream.end('two')
      assert.equal(await read.promise, 'one,two')
    })
  })

  test('whose upload nobody reads is answered, and its scope closes', async () => {
    await using site = await serveHandled(() => 'not read')
    await within(site, async (session) => {
      const stream = session.request({ ':path': '/', ':method': 'POST' })
      stream.write('x'.repeat(100_000))
      assert.equal(await text(stream), 'not read')
      stream.end()
    })
    assert.deepEqual(await site.statuses(), ['success'])
  })

  test('ends with its session, as all others on it', async () => {
    let running = 0
    const both = Promise.withResolvers<void>()
    await using site = await serve(async () => {
      running += 1
      if (running === 2) both.resolve()
      await untilAborted(currentScope())
    })
    await within(site, async (session) => {
      session.request({ ':path': '/1' }).on('error', () => {})
      session.request({ ':path': '/2' }).on('error', () => {})
      await both.promise
      session.destroy()
      assert.deepEqual(await site.statuses(), ['aborted', 'aborted'])
    })
  })

  test('whose handler fails after the head was sent is reset, so that it does not look complete', async () => {
    await using site = await serve(async (_request, response) => {
      response.write('half')
      await turn()
      throw new Error('too late')
    })
    await within(site, async (session) => {
      const stream = session.request({ ':path': '/' })
      stream.resume()
      await assert.rejects(once(stream, 'end'), /NGHTTP2_INTERNAL_ERROR/)
      assert.deepEqual(await site.statuses(), ['failure'])
    })
  })
})

describe('a server that speaks HTTP/1.1 and HTTP/2 over TLS', () => {
  test('has a scope for each request of both', async () => {
    const server = createSecureServer({ allowHTTP1: true, ...secrets }) as unknown as Server
    await using site = await Site.open(
      (made) =>
        scoped(made.app, async (request: { httpVersion: string }, response: Answer) => {
          made.watch()
          await turn()
          response.end(`${request.httpVersion} ${currentScope().name}`)
        }),
      server,
    )
    const old = send({ port: site.port, path: '/old', agent: false, ...clientSecrets })
    old.end()
    const [response] = await once(old, 'response')
    assert.equal(await text(response), '1.1 GET /old')
    const session = connect(`https://127.0.0.1:${site.port}`, clientSecrets)
    const stream = session.request({ ':path': '/new' })
    assert.equal(await text(stream), '2.0 GET /new')
    session.destroy()
    assert.deepEqual(await site.statuses(), ['success', 'success'])
  })
})
