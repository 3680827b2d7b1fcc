/** Requests of HTTP/2 whose client has left, or whose app goes down: Node.js tells little of their end. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Server, ServerResponse } from 'node:http'
import { connect, constants, createServer } from 'node:http2'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { test } from 'node:test'

import { createApp, currentScope } from 'unwind'
import { listen, scoped } from 'unwind/http'

import { untilAborted } from './support/scoped-site.ts'
import { Site } from './support/site.ts'

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
