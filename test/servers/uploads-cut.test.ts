import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { Peer } from './support/client.ts'
import { plainKinds } from './support/kinds.ts'
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
