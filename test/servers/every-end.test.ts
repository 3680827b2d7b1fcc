import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { createApp, input, resource } from 'unwind'
import type { AdapterOptions } from 'unwind/http'

import { within } from '../core/support/promises.ts'
import { Peer } from './support/client.ts'
import { kinds, plainKinds } from './support/kinds.ts'
import { turn, untilAborted } from './support/scoped-site.ts'
import { Site } from './support/site.ts'

for (const kind of kinds) {
  describe(`a request with ${kind.name}`, () => {
    for (const status of [204, 205, 304]) {
      test(`that is answered with ${status} succeeds`, async () => {
        await using site = await Site.serve(kind, async () => ({ status }))
        assert.equal((await kind.ask(site, '/')).status, status)
        assert.deepEqual(await site.statuses(), ['success'])
      })
    }

    test('whose handler throws an error with a status is answered with that, and does not succeed', async () => {
      await using site = await Site.serve(kind, async () => {
        throw Object.assign(new Error('taken'), { status: 409, statusCode: 409, expose: true })
      })
      assert.equal((await kind.ask(site, '/')).status, 409)
      const [status] = await site.statuses()
      assert.match(String(status), /failure|unknown/)
      assert.deepEqual(site.reported, [])
    })

    test('of method HEAD closes its scope, whether its body would be whole or streamed', async () => {
      await using site = await Site.serve(kind, async ({ path }) => {
        if (path === '/whole') return { body: 'text' }
        return {
          body: (async function* pieces() {
            yield 'a'
            await turn()
            yield 'b'
          })(),
        }
      })
      for (const path of ['/whole', '/streamed']) {
        const { status, body } = await kind.ask(site, path, { method: 'HEAD' })
        assert.deepEqual([status, body], [200, ''])
      }
      assert.deepEqual(await site.statuses(), ['success', 'success'])
    })

    test('reads what an input was provided with', async () => {
      const user = input<string>('user')
      const greeting = resource({
        name: 'greeting',
        acquire: async ({ get }) => `Hello, ${await get(user)}.`,
      })
      await using site = await Site.serve(kind, async ({ scope, path }) => {
        scope.provide(user, path.slice(1))
        return { body: await scope.get(greeting) }
      })
      assert.equal((await kind.ask(site, '/Ada')).body, 'Hello, Ada.')
    })

    test('waits for a task before it releases', async () => {
      const log: string[] = []
      await using site = await Site.serve(kind, async ({ scope }) => {
        scope.defer(() => log.push('released'))
        void scope.fork(async () => {
          await turn()
          log.push('task done')
        })
        return { body: 'done' }
      })
      assert.equal((await kind.ask(site, '/')).body, 'done')
      await site.outcomes()
      assert.deepEqual(log, ['task done', 'released'])
    })

    test('whose time is over is answered with 503, and its handler is told', async () => {
      const told = Promise.withResolvers<unknown>()
      const options = { timeout: 10 }
      await using site = await Site.serve(
        kind,
        async ({ scope }) => {
          try {
            return await untilAborted(scope)
          } finally {
            told.resolve(scope.signal.reason)
          }
        },
        options,
      )
      assert.equal((await kind.ask(site, '/')).status, 503)
      assert.equal(((await told.promise) as Error).name, 'TimeoutError')
      assert.deepEqual(await site.statuses(), ['aborted'])
    })

    test('one of whose tasks fails is answered the same, whether its time is limited or not', async () => {
      const taken = Object.assign(new Error('taken'), {
        status: 409,
        statusCode: 409,
        expose: true,
      })
      const answer = async (options: AdapterOptions): Promise<unknown> => {
        await using site = await Site.serve(
          kind,
          async ({ scope }) => {
            await scope.fork(() => Promise.reject(taken)).catch(() => {})
            return { body: 'done' }
          },
          options,
        )
        const { status, body } = await kind.ask(site, '/')
        assert.deepEqual(await site.statuses(), ['failure'])
        return { status, body }
      }
      assert.deepEqual(await answer({ timeout: 60_000 }), await answer({}))
    })

    test('whose handler fulfils after its time was over lets go of everything then', async () => {
      const options = { timeout: 10, abandonAfter: 60_000 }
      const answered = Promise.withResolvers<void>()
      const handler = async (): Promise<object> => {
        await answered.promise
        return { body: 'late' }
      }
      await using site = await Site.serve(kind, handler, options)
      assert.equal((await kind.ask(site, '/')).status, 503)
      answered.resolve()
      const [status] = await within(site.statuses())
      assert.equal(status, 'aborted')
      assert.deepEqual(site.reported, [])
    })

    test('whose release fails without a say in the outcome keeps its answer, and that is reported', async () => {
      const lax = resource({
        name: 'lax',
        critical: false,
        acquire: () => ({}),
        release: () => {
          throw new Error('no matter')
        },
      })
      await using site = await Site.serve(kind, async ({ scope }) => {
        await scope.get(lax)
        return { body: 'fine' }
      })
      assert.equal((await kind.ask(site, '/')).body, 'fine')
      assert.deepEqual(await site.statuses(), ['success'])
      assert.deepEqual(site.reported.map(String), ['Error: no matter'])
    })

    test('is refused with 503 once its app has closed', async () => {
      const app = createApp()
      let calls = 0
      const handler = async (): Promise<object> => ({ body: String((calls += 1)) })
      const { server, stop } = await kind.open(app, handler, {})
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      await app.close()
      const { port } = server.address() as { port: number }
      assert.equal((await kind.ask({ port }, '/')).status, 503)
      assert.equal(calls, 0)
      await stop()
    })
  })
}

for (const kind of plainKinds) {
  describe(`requests with ${kind.name} on one connection`, () => {
    test('close one after the other, and leave nothing on it', async () => {
      await using site = await Site.serve(kind, async () => {
        await turn()
        return { body: '<end>' }
      })
      using peer = await Peer.connect(site)
      const counts = new Set<number>()
      for (let times = 1; times <= 40; times += 1) {
        peer.get('/')
        await peer.until('<end>', times)
        const [socket] = site.sockets
        if (times > 5) counts.add(socket?.listenerCount('close') ?? -1)
      }
      assert.equal(counts.size, 1)
      assert.equal((await site.statuses()).length, 40)
    })
  })
}
