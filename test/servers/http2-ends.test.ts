/** Requests of HTTP/2 whose client has left, or whose app goes down: Node.js tells little of their end. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Server, ServerResponse } from 'node:http'
import { connect, constants, createServer, type Http2ServerResponse } from 'node:http2'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { describe, test } from 'node:test'

import { createApp, currentScope, type App } from 'unwind'
import { listen, scoped } from 'unwind/http'

import { within } from '../core/support/promises.ts'
import { http2Kinds } from './support/over-http2.ts'
import { opened, type Opened } from './support/kinds.ts'
import { turn, untilAborted } from './support/scoped-site.ts'
import { Site } from './support/site.ts'

for (const kind of http2Kinds) {
  describe(`a request with ${kind.name} whose client has left`, () => {
    for (const what of ['text', 'a stream']) {
      test(`closes when its handler answers with ${what}`, async () => {
        const running = Promise.withResolvers<void>()
        const options = { abandonAfter: 60_000 }
        await using site = await Site.serve(
          kind,
          async ({ scope }) => {
            running.resolve()
            await untilAborted(scope).catch(() => {})
            return { body: what === 'text' ? what : Readable.from(['piece']) }
          },
          options,
        )
        const session = connect(`http://127.0.0.1:${site.port}`)
        const stream = session.request({ ':path': '/' })
        await running.promise
        stream.close(constants.NGHTTP2_CANCEL)
        assert.equal((await within(site.statuses())).length, 1)
        assert.deepEqual(site.reported, [])
        session.destroy()
      })
    }
  })
}

for (const [way, outcome] of [
  ['end', 'success'],
  ['destroy', 'aborted'],
] as const) {
  test(`a handler without a promise has ended when it calls ${way}() on an answer of HTTP/2 whose client has left`, async () => {
    const running = Promise.withResolvers<void>()
    await using site = await Site.open(
      (opened) =>
        scoped(
          opened.app,
          (_request, response: ServerResponse) => {
            const { scope } = opened.watch()
            running.resolve()
            untilAborted(scope).catch(() => response[way]())
          },
          { abandonAfter: 60_000 },
        ),
      createServer() as unknown as Server,
    )
    const session = connect(`http://127.0.0.1:${site.port}`)
    const stream = session.request({ ':path': '/' })
    await running.promise
    stream.close(constants.NGHTTP2_CANCEL)
    assert.deepEqual(await within(site.statuses()), [outcome])
    session.destroy()
  })
}

test('what is piped into an answer of HTTP/2 whose client has left is ended', async () => {
  const running = Promise.withResolvers<void>()
  const body = Readable.from(['a', 'b', 'c'])
  await using site = await Site.open(
    (opened) =>
      scoped(opened.app, async (_request, response: ServerResponse) => {
        opened.watch()
        running.resolve()
        await untilAborted(currentScope()).catch(() => {})
        await pipeline(body, response)
      }),
    // The compatibility API is that of http.
    createServer() as unknown as Server,
  )
  const session = connect(`http://127.0.0.1:${site.port}`)
  const stream = session.request({ ':path': '/' })
  await running.promise
  stream.close(constants.NGHTTP2_CANCEL)
  assert.deepEqual(await site.statuses(), ['aborted'])
  assert.ok(body.destroyed)
  assert.deepEqual(site.reported, [])
  session.destroy()
})

test('a request of HTTP/2 that heeds nothing is cut when the graces of a shutdown are over', async () => {
  const app = createApp()
  const running = Promise.withResolvers<void>()
  const server = createServer(
    scoped(app, () => {
      running.resolve()
      return new Promise(() => {})
    }),
  )
  const { url } = await listen(app, server, { port: 0, host: '127.0.0.1', linger: 0 })
  const session = connect(url)
  const stream = session.request({ ':path': '/' })
  const cut = once(stream, 'error')
  await running.promise
  const { stuck, errors } = await app.shutdown({ grace: 10, abortGrace: 10 })
  assert.deepEqual([stuck.length, errors], [1, []])
  const [error] = await cut
  assert.match(String(error), /NGHTTP2_INTERNAL_ERROR/)
})

function answering(listener: (response: Http2ServerResponse) => unknown): Promise<Site> {
  let site: Site | undefined
  const serve = (_request: unknown, response: Http2ServerResponse): unknown => {
    site?.watch()
    return listener(response)
  }
  const open = (app: App): Opened =>
    opened(createServer(scoped(app, serve, { abandonAfter: 1 })) as unknown as Server)
  return Site.serve({ open }, async () => ({})).then((made) => (site = made))
}

for (const [what, after] of [
  ['an async listener', async () => turn()],
  ['a listener whose end nobody sees', () => {}],
] as const) {
  test(`what ${what} gives to the stream itself is an answer, and no client that left`, async () => {
    await using site = await answering(({ stream }) => {
      stream.respond()
      stream.end('answer')
      return after()
    })
    const session = connect(`http://127.0.0.1:${site.port}`)
    assert.equal(await text(session.request({ ':path': '/' })), 'answer')
    assert.deepEqual(await within(site.statuses()), ['success'])
    assert.deepEqual(site.reported, [])
    session.destroy()
  })
}

test('one that answers HEAD on the stream itself closes its scope', async () => {
  await using site = await answering(async ({ stream }) => {
    stream.respond()
    stream.end()
  })
  const session = connect(`http://127.0.0.1:${site.port}`)
  await once(session.request({ ':path': '/', ':method': 'HEAD' }), 'response')
  assert.deepEqual(await within(site.statuses()), ['success'])
  session.destroy()
})
