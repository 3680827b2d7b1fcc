import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import express, { type NextFunction, type Request, type Response } from 'express'
import { expressHandler, expressScope } from 'unwind/express'

import { ask } from './support/client.ts'
import { openHandled } from './support/handled-site.ts'
import { kinds } from './support/kinds.ts'
import { turn } from './support/scoped-site.ts'
import { Site } from './support/site.ts'

/** What `next()` of a framework takes for no error, or for a command. */
const values: readonly unknown[] = [undefined, null, 0, '', false, 'route', 'router']

// What a callback passes to `reply.send()` is a payload, unless it is an error.
const seeing = kinds.filter(
  ({ seesResult, name }) => seesResult && name !== 'Fastify with reply.send',
)

for (const kind of seeing) {
  describe(`a request with ${kind.name} is answered with 500`, () => {
    for (const value of values) {
      const shown = String(value) || 'an empty text'

      test(`where its handler throws ${shown}`, { timeout: 30_000 }, async () => {
        await using site = await Site.serve(kind, async () => {
          await turn()
          throw value
        })
        assert.equal((await kind.ask(site, '/')).status, 500)
        assert.deepEqual(await site.statuses(), ['failure'])
      })

      test(`where its commit fails with ${shown}`, { timeout: 30_000 }, async () => {
        await using site = await Site.serve(kind, async ({ scope }) => {
          scope.defer(async ({ status }) => {
            await turn()
            if (status === 'success') throw value
          })
          return { body: 'done' }
        })
        const { status, body } = await kind.ask(site, '/')
        assert.deepEqual([status, body === 'done'], [500, false])
        assert.deepEqual(await site.statuses(), ['failure'])
      })
    }
  })
}

const guarded: readonly [string, Error][] = [
  ['a getter', Object.defineProperty(new Error('shy'), 'statusCode', { get: refuseToShow })],
  ['a proxy', new Proxy(new Error('hidden'), { get: refuseToShow, has: refuseToShow })],
]

function refuseToShow(): never {
  throw new Error('looked at')
}

for (const [what, error] of guarded) {
  test(`a failure that cannot be looked at for ${what} is a 500, and reported`, async () => {
    await using site = await openHandled(async () => {
      await turn()
      throw error
    })
    const { status, body } = await ask(site, '/')
    assert.deepEqual([status, body], [500, 'Internal Server Error'])
    assert.deepEqual([site.reported.length, site.reported[0] === error], [1, true])
  })

  test(`a name that cannot be found for ${what} is a 500`, async () => {
    await using site = await openHandled(() => '', {
      name() {
        throw error
      },
    })
    assert.equal((await ask(site, '/')).status, 500)
  })
}

test('an error handler of Express finds what was thrown as the cause of an error', async () => {
  const caught: unknown[] = []
  await using site = await Site.open(({ app }) => {
    const server = express().set('env', 'test')
    const fail = expressHandler(() => {
      // oxlint-disable-next-line typescript/only-throw-error
      throw undefined
    })
    const note = (error: unknown, _: Request, response: Response, _next: NextFunction): void => {
      caught.push(error)
      response.sendStatus(500)
    }
    server.use(expressScope(app)).get('/', fail).use(note)
    return server
  })
  await ask(site, '/')
  const [error] = caught as Error[]
  assert.equal(
    error?.message,
    'Expected what a request fails with to be an error, received undefined.',
  )
  assert.ok('cause' in error)
})
