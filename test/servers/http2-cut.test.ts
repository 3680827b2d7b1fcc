/** Answers of HTTP/2 that end too early: only the code of a reset tells their clients. */
import assert from 'node:assert/strict'
import type { RequestListener, Server, ServerResponse } from 'node:http'
import { connect, createServer } from 'node:http2'
import { test } from 'node:test'

import { scoped } from 'unwind/http'

import { http2Kinds } from './support/over-http2.ts'
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

for (const kind of http2Kinds) {
  for (const error of [new Error('broken'), undefined]) {
    test(`a stream of ${kind.name} that fails with ${error} does not look complete`, async () => {
      await using site = await Site.serve(kind, async () => ({
        body: (async function* broken() {
          yield 'half'
          await turn()
          await turn()
          // oxlint-disable-next-line typescript/only-throw-error
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
