import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { Peer } from './support/client.ts'
import { plainKinds } from './support/kinds.ts'
import { turn, untilAborted } from './support/scoped-site.ts'
import { Site } from './support/site.ts'

for (const kind of plainKinds) {
  describe(`pipelined requests with ${kind.name}`, () => {
    test('are answered in their order, each in a scope of its own', async () => {
      await using site = await Site.serve(kind, async ({ path, scope }) => {
        if (path === '/1') await turn()
        return { body: `<${scope.name}>` }
      })
      using peer = await Peer.connect(site)
      for (const path of ['/1', '/2', '/3']) peer.get(path)
      await peer.until('<GET /3>')
      const order = [...peer.received.matchAll(/<GET (?<path>.*?)>/g)].map((one) => one[1])
      assert.deepEqual(order, ['/1', '/2', '/3'])
      assert.deepEqual(await site.statuses(), ['success', 'success', 'success'])
    })

    for (const method of ['GET', 'POST']) {
      test(`of which none is ready (${method}) are all aborted when their client leaves`, async () => {
        let running = 0
        const all = Promise.withResolvers<void>()
        await using site = await Site.serve(kind, async ({ scope, body }) => {
          if (method === 'POST') await body()
          const aborted = untilAborted(scope)
          running += 1
          if (running === 3) all.resolve()
          await aborted
          return {}
        })
        using peer = await Peer.connect(site)
        for (const path of ['/1', '/2', '/3']) {
          if (method === 'POST') peer.post(path, 'read')
          else peer.get(path)
        }
        await all.promise
        peer.reset()
        assert.deepEqual(await site.statuses(), ['aborted', 'aborted', 'aborted'])
        assert.deepEqual(site.reported, [])
      })
    }

    test('behind one that is not ready close once when their client leaves, though their answers are made', async () => {
      let made = 0
      const running = Promise.withResolvers<void>()
      await using site = await Site.serve(kind, async ({ path, scope }) => {
        if (path !== '/1') {
          made += 1
          if (made === 2) running.resolve()
          return { body: 'ready' }
        }
        return untilAborted(scope)
      })
      using peer = await Peer.connect(site)
      for (const path of ['/1', '/2', '/3']) peer.get(path)
      await running.promise
      await turn()
      peer.socket.end()
      const [first, ...others] = await site.statuses()
      assert.equal(first, 'aborted')
      assert.deepEqual(others, ['success', 'success'])
    })

    test('of which one is cut off while it waits in line end with the answer before it', async () => {
      const second = Promise.withResolvers<{ readonly destroyed: boolean }>()
      await using site = await Site.serve(kind, async ({ path, response }) => {
        if (path === '/2') {
          second.resolve(response)
          return { body: broken() }
        }
        const waiting = await second.promise
        // Its scope closes no earlier than its turn comes, where Node.js tells of the end no earlier (22).
        while (!waiting.destroyed) await turn()
        return { body: '<first>' }
      })
      using peer = await Peer.connect(site)
      for (const path of ['/1', '/2']) peer.get(path)
      await peer.closed
      assert.match(peer.received, /<first>/)
      assert.doesNotMatch(peer.received, /\r\n0\r\n/)
      assert.deepEqual(await site.statuses(), ['success', 'failure'])
    })

    test('behind an answer that closes the connection are aborted or never begun', async () => {
      await using site = await Site.serve(kind, async ({ path, response, scope }) => {
        if (path === '/1') {
          response.setHeader('Connection', 'close')
          return { body: 'last' }
        }
        return untilAborted(scope)
      })
      using peer = await Peer.connect(site)
      for (const path of ['/1', '/2']) peer.get(path)
      await peer.closed
      assert.match(peer.received, /last/)
      const [first, ...others] = await site.statuses()
      assert.equal(first, 'success')
      for (const status of others) assert.equal(status, 'aborted')
    })
  })
}

/** Long enough to be no answer like any other before it fails. */
async function* broken(): AsyncGenerator<string> {
  await turn()
  yield 'half'
  await turn()
  throw new Error('broken')
}
