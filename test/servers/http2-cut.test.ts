/** Answers of HTTP/2 that end too early: only the code of a reset tells their clients. */
import assert from 'node:assert/strict'
import type { RequestListener, Server, ServerResponse } from 'node:http'
import { connect, createServer } from 'node:http2'
import { test } from 'node:test'

import { scoped } from 'unwind/http'

import { kinds, type Kind } from './support/kinds.ts'
import { turn } from './support/scoped-site.ts'
import { Site } from './support/site.ts'

/** What the client of an answer is told of its end. */
async function endOf(site: Site): Promise<{ received: string; error: unknown }> {
  const session = connect(`http://127.0.0.1:${site.port}`)
  const stream = session.request({ ':path': '/' })
  let received = ''
  let error: unknown
  stream.on('error', (failure) => (error = failure))
  stream.on('data', (piece) => (received += String(piece)))
  await new Promise((resolve) => stream.on('close', resolve))
  session.destroy()
  return { received, error }
}

/** `kind` with a server of HTTP/2 before its listener. */
function overHttp2(kind: Kind): Pick<Kind, 'open'> {
  return {
    open: async (app, handler, options) => {
      const { server, stop } = await kind.open(app, handler, options)
      const front = createServer()
      for (const listener of server.listeners('request'))
        front.on('request', listener as () => void)
      // The compatibility API is that of http.
      return { server: front as unknown as Server, stop }
    },
  }
}

// Express knows no HTTP/2.
for (const kind of kinds.filter(({ name }) => !name.startsWith('Express'))) {
  for (const error of [new Error('broken'), undefined]) {
    test(`a stream of ${kind.name} over HTTP/2 that fails with ${error} does not look complete`, async () => {
      await using site = await Site.serve(overHttp2(kind), async () => ({
        body: (async function* broken() {
          yield 'half'
          await turn()
          await turn()
          throw error
        })(),
      }))
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
