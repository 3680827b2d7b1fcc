import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { describe, test } from 'node:test'

import express from 'express'
import { AbandonedError, currentScope, type Scope } from 'unwind'
import { expressScope } from 'unwind/express'

import { ask } from './support/client.ts'
import { kinds, type Handler } from './support/kinds.ts'
import { turn } from './support/scoped-site.ts'
import { Site } from './support/site.ts'

for (const kind of kinds) {
  describe(`a request with ${kind.name}`, () => {
    test('succeeds with its handler, in whose context its scope is', async () => {
      await using site = await Site.serve(kind, async ({ scope }) => {
        await turn()
        return { body: { name: scope.name, ambient: currentScope() === scope } }
      })
      const { status, body } = await kind.ask(site, '/orders?full=1')
      assert.deepEqual([status, JSON.parse(body)], [200, { name: 'GET /orders', ambient: true }])
      assert.deepEqual(await site.statuses(), ['success'])
      assert.deepEqual(site.reported, [])
    })

    test('whose handler fails is answered with 500, and fails', async () => {
      await using site = await Site.serve(kind, async () => {
        await turn()
        throw new Error('the reason')
      })
      assert.equal((await kind.ask(site, '/')).status, 500)
      assert.deepEqual(await site.statuses(), ['failure'])
    })

    test('may be completed and closed by its handler, which then answers', async () => {
      await using site = await Site.serve(kind, async ({ scope }) => {
        scope.complete()
        await scope.close()
        return { body: 'closed before' }
      })
      const { status, body } = await kind.ask(site, '/')
      assert.deepEqual([status, body], [200, 'closed before'])
      assert.deepEqual(await site.statuses(), ['success'])
      assert.deepEqual(site.reported, [])
    })

    test('whose app is closed is aborted, and keeps what it holds until its handler has ended', async () => {
      await using site = await Site.serve(kind, async ({ scope }) => {
        void scope.parent?.close()
        await turn()
        return { body: { aborted: scope.signal.aborted, state: scope.state } }
      })
      const { status, body } = await kind.ask(site, '/')
      assert.deepEqual([status, JSON.parse(body)], [200, { aborted: true, state: 'open' }])
      assert.deepEqual(await site.statuses(), ['success'])
    })

    test('whose app is closed and whose handler heeds nothing is abandoned', async () => {
      const ended = Promise.withResolvers<string>()
      const heedless: Handler = async ({ scope }) => {
        scope.defer(({ status }) => ended.resolve(status))
        void scope.parent?.close()
        return { body: await ended.promise }
      }
      await using site = await Site.serve(kind, heedless, { abandonAfter: 10 })
      await kind.ask(site, '/')
      assert.deepEqual(await site.statuses(), ['aborted'])
      assert.ok(site.reported.some((error) => error instanceof AbandonedError))
    })

    test('keeps its scope open for a stream until that has ended', async () => {
      const states: string[] = []
      await using site = await Site.serve(kind, async ({ scope }) => ({
        body: (async function* pieces() {
          for (const piece of ['a', 'b', 'c']) {
            await turn()
            states.push(scope.state)
            yield piece
          }
        })(),
      }))
      assert.equal((await kind.ask(site, '/')).body, 'abc')
      assert.deepEqual(await site.statuses(), ['success'])
      assert.deepEqual(states, ['open', 'open', 'open'])
    })

    if (kind.seesResult) {
      for (const status of [200, 201]) {
        test(`whose commit fails is answered with 500, and never with its ${status}`, async () => {
          await using site = await Site.serve(kind, async ({ scope }) => {
            scope.defer(async ({ status: outcome }) => {
              await turn()
              if (outcome === 'success') throw new Error('not committed')
            })
            return { status, body: 'done' }
          })
          assert.equal((await kind.ask(site, '/')).status, 500)
          assert.deepEqual(await site.statuses(), ['failure'])
        })
      }
    }
  })
}

test('a request that completed nothing, whose scope whoever is told of that closes, has closed once', async (t) => {
  const told: unknown[] = []
  const scopes: Scope[] = []
  const incomplete = (): void => void scopes[0]?.close()
  const closed = (message: unknown): void => void told.push((message as { id: string }).id)
  subscribe('unwind:scope:incomplete', incomplete)
  subscribe('unwind:scope:closed', closed)
  t.after(() => unsubscribe('unwind:scope:incomplete', incomplete))
  t.after(() => unsubscribe('unwind:scope:closed', closed))
  await using site = await Site.open(({ app }) =>
    express()
      .use(expressScope(app))
      .use((_request, response) => {
        scopes.push(currentScope())
        response.status(404).end()
      }),
  )
  assert.equal((await ask(site, '/')).status, 404)
  assert.deepEqual(told, [scopes[0]?.id])
})
