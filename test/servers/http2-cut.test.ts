/** Answers of HTTP/2 that end too early: only the code of a reset tells their clients. */
import assert from 'node:assert/strict'
import type { RequestListener, Server, ServerResponse } from 'node:http'
import { connect, createServer } from 'node:http2'
import { test } from 'node:test'

import { getRequestListener, type HttpBindings } from '@hono/node-server'
import { Hono } from 'hono'
import { currentScope } from 'unwind'
import { honoFetch } from 'unwind/hono'
import { scoped } from 'unwind/http'

import { http2Kinds } from './support/over-http2.ts'
import { brokenWith } from './support/scoped-site.ts'
import { Site } from './support/site.ts'

/** What the client of an answer is told of its end. */
async function endOf(site: Site, method = 'GET'): Promise<{ received: string; error: unknown }> {
  const session = connect(`http://127.0.0.1:${site.port}`)
  const stream = session.request({ ':path': '/', ':method': method })
  let received = ''
  let error: unknown
  stream.on('error', (failure) => (error = failure))
  stream.on('data', (piece) => (received += String(piece)))
  await new Promise((resolve) => stream.on('close', resolve))
  session.destroy()
  return { received, error }
}

for (const kind of http2Kinds) {
  for (const error of [new Error('broken'), undefined]) {
    test(`a stream of ${kind.name} that fails with ${error} does not look complete`, async () => {
      await using site = await Site.serve(kind, async () => ({ body: brokenWith(error) }))
      const end = await endOf(site)
      assert.equal(end.received, 'half')
      assert.match(String(end.error), /NGHTTP2_INTERNAL_ERROR/)
      assert.notEqual((await site.statuses())[0], 'success')
    })
  }
}

for (const [how, error] of [
  ['for no reason', undefined],
  ['by an abort', new DOMException('enough', 'AbortError')],
] as const) {
  test(`an answer of HTTP/2 that its handler destroys ${how} does not look complete`, async () => {
    const make = (opened: Site): RequestListener =>
      scoped(opened.app, async (_request, response: ServerResponse) => {
        opened.watch()
        await new Promise((resolve) => response.write('half', resolve))
        response.destroy(error)
      })
    await using site = await Site.open(make, createServer() as unknown as Server)
    const end = await endOf(site)
    assert.equal(end.received, 'half')
    assert.match(String(end.error), /NGHTTP2_INTERNAL_ERROR/)
    assert.deepEqual(await site.statuses(), ['aborted'])
  })
}

test('an answer of HTTP/2 that is destroyed while its end is held back is whole once its scope has closed', async () => {
  const make = (opened: Site): RequestListener => {
    const hono = new Hono<{ Bindings: HttpBindings }>().post('/', (c) => {
      opened.watch()
      // By the server of Hono, because nobody has read the body of the request.
      const destroyed = Promise.withResolvers<void>()
      const { outgoing } = c.env
      const destroy = outgoing.destroy.bind(outgoing)
      outgoing.destroy = (error) => {
        destroyed.resolve()
        return destroy(error)
      }
      currentScope().defer(() => destroyed.promise)
      return c.body(new Blob(['all of it']).stream())
    })
    const listener = getRequestListener(honoFetch(opened.app, hono))
    return (request, response) => void listener(request, response)
  }
  await using site = await Site.open(make, createServer() as unknown as Server)
  assert.deepEqual(await endOf(site, 'POST'), { received: 'all of it', error: undefined })
  assert.deepEqual(await site.statuses(), ['success'])
})
