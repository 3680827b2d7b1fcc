import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, test } from 'node:test'

import { getRequestListener } from '@hono/node-server'
import { Hono } from 'hono'
import { tryCurrentScope, type Scope } from 'unwind'
import { honoFetch, honoScope } from 'unwind/hono'

import { Peer } from './support/client.ts'
import { openHandled } from './support/handled-site.ts'
import { plainKinds } from './support/kinds.ts'
import { turn } from './support/scoped-site.ts'
import { Site } from './support/site.ts'

/** How a client can leave. */
const ways: readonly [string, (peer: Peer) => unknown][] = [
  ['with a FIN', (peer) => peer.socket.end()],
  ['with a reset', (peer) => peer.reset()],
]

/** Resolves with the reason when `scope` is aborted, and with the scope that is ambient then. */
async function aborted(scope: Scope): Promise<{ reason: unknown; ambient: Scope | undefined }> {
  return new Promise((resolve) => {
    scope.signal.addEventListener('abort', () => {
      resolve({ reason: scope.signal.reason, ambient: tryCurrentScope() })
    })
  })
}

for (const kind of plainKinds) {
  describe(`a request with ${kind.name} whose client leaves`, () => {
    for (const [how, leave] of ways) {
      for (const method of ['GET', 'POST']) {
        test(`${how} in the middle of a ${method} is aborted in its own context, and closes once its handler has settled`, async () => {
          const running = Promise.withResolvers<void>()
          const seen = Promise.withResolvers<unknown>()
          await using site = await Site.serve(kind, async ({ scope, body }) => {
            if (method === 'POST') assert.equal(await body(), 'read')
            const abort = aborted(scope)
            running.resolve()
            const { reason, ambient } = await abort
            await turn()
            seen.resolve({
              code: (reason as { code: string }).code,
              own: ambient === scope,
              state: scope.state,
            })
            throw reason
          })
          using peer = await Peer.connect(site)
          if (method === 'POST') peer.post('/', 'read')
          else peer.get('/')
          await running.promise
          leave(peer)
          assert.deepEqual(await seen.promise, {
            code: 'ERR_CLIENT_DISCONNECTED',
            own: true,
            state: 'open',
          })
          assert.deepEqual(await site.statuses(), ['aborted'])
          assert.deepEqual(site.reported, [])
        })
      }
    }

    test('succeeds where its handler fulfils all the same', async () => {
      const running = Promise.withResolvers<void>()
      await using site = await Site.serve(kind, async ({ scope }) => {
        const abort = aborted(scope)
        running.resolve()
        await abort
        return { body: 'for nobody' }
      })
      using peer = await Peer.connect(site)
      peer.get('/')
      await running.promise
      peer.reset()
      assert.deepEqual(await site.statuses(), ['success'])
      assert.deepEqual(site.reported, [])
    })

    test('and whose handler goes on is abandoned; what it held is destroyed, and that is reported once', async () => {
      const running = Promise.withResolvers<void>()
      const ended = Promise.withResolvers<never>()
      const options = { abandonAfter: 20 }
      await using site = await Site.serve(
        kind,
        () => {
          running.resolve()
          return ended.promise
        },
        options,
      )
      using peer = await Peer.connect(site)
      peer.get('/')
      await running.promise
      peer.reset()
      const [exit] = await site.outcomes()
      assert.equal(exit?.status, 'aborted')
      assert.match(
        String(site.reported),
        /^AbandonedError: The handler of "GET \/" went on for 20 ms/,
      )
      ended.reject(site.watched[0]?.scope.signal.reason)
      await turn()
      await turn()
      assert.equal(site.reported.length, 1, 'an abort that is heeded after all is no news')
    })
  })

  describe(`the signal of a request with ${kind.name}`, () => {
    test('is not aborted by the end of a body, nor by that of the answer', async () => {
      const signals: AbortSignal[] = []
      await using site = await Site.serve(kind, async ({ scope, request, body }) => {
        signals.push(scope.signal)
        await body()
        if (!request.closed) await once(request, 'close')
        await turn()
        signals.push(scope.signal)
        return { body: String(scope.signal.aborted) }
      })
      assert.equal((await kind.ask(site, '/', { method: 'POST', body: 'some' })).body, 'false')
      assert.deepEqual(await site.statuses(), ['success'])
      await turn()
      assert.deepEqual(
        signals.map(({ aborted }) => aborted),
        [false, false],
      )
    })
  })
}

test('a client of Hono that leaves is reported to nobody, whatever Hono makes of the abort', async () => {
  const running = Promise.withResolvers<void>()
  const answered = Promise.withResolvers<Response>()
  await using site = await Site.open((opened) => {
    const hono = new Hono()
    hono.use(honoScope(opened.app))
    hono.onError(() => new Response(new Blob(['too late']).stream()))
    hono.get('/', async (c) => {
      opened.watch(c.var.scope)
      const abort = aborted(c.var.scope)
      running.resolve()
      throw (await abort).reason
    })
    const fetch = honoFetch(opened.app, hono)
    const listener = getRequestListener(async (request, env) => {
      answered.resolve(await fetch(request, env))
      return answered.promise
    })
    return (request, response) => void listener(request, response)
  })
  using peer = await Peer.connect(site)
  peer.get('/')
  await running.promise
  peer.reset()
  await answered.promise
  assert.deepEqual(site.reported, [])
  assert.deepEqual(await site.statuses(), ['aborted'])
})

test('a handler that ends its answer when it is told that its client has left leaves no timer behind', async () => {
  const timers = (): number =>
    process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length
  await using site = await openHandled((_request, response, scope) => {
    scope.signal.addEventListener('abort', () => response.end())
    response.write('begun')
  })
  const before = timers()
  using peer = await Peer.connect(site)
  peer.get('/')
  await peer.until('begun')
  peer.reset()
  assert.deepEqual(await site.statuses(), ['aborted'])
  assert.equal(timers(), before)
})
