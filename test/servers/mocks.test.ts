/** Every kind of server, asked by the two usual ways of testing one: a port of its own, and no connection at all. */
import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { describe, test } from 'node:test'

import { createMocks } from 'node-mocks-http'
import { createApp, type Exit } from 'unwind'
import supertest from 'supertest'

import { within } from '../core/support/promises.ts'
import { plainKinds, type Handler, type Kind } from './support/kinds.ts'

/** One server of `kind` that answers 'done', and what its request saw, once it is asked by `act`. */
async function asked(
  kind: Kind,
  act: (server: Awaited<ReturnType<Kind['open']>>['server']) => Promise<string>,
): Promise<void> {
  const app = createApp()
  const exits: Promise<Exit>[] = []
  const signals: AbortSignal[] = []
  const handler: Handler = async ({ scope }) => {
    const ended = Promise.withResolvers<Exit>()
    scope.defer(ended.resolve)
    exits.push(ended.promise)
    signals.push(scope.signal)
    return { body: 'done' }
  }
  const { server } = await kind.open(app, handler, {})
  assert.equal(await act(server), 'done')
  const ends = await within(Promise.all(exits))
  assert.deepEqual(
    ends.map(({ status }) => status),
    ['success'],
  )
  assert.deepEqual(
    signals.map(({ aborted }) => aborted),
    [false],
  )
  assert.deepEqual(app.inspect().children, [])
  await app.close()
}

for (const kind of plainKinds) {
  describe(`a request to ${kind.name}`, () => {
    test('by supertest has a scope that closes with success', () =>
      asked(kind, async (server) => (await supertest(server).get('/')).text))

    // Its listener reads the raw form of a request, which a mock does not have.
    if (kind.name.startsWith('Hono')) return
    test('of node-mocks-http has a scope that closes with success', () =>
      asked(kind, async (server) => {
        const { req, res } = createMocks({ url: '/' }, { eventEmitter: EventEmitter })
        Object.assign(res, { req })
        const ended = once(res, 'end')
        server.emit('request', req, res)
        await within(ended)
        return String(res._getData())
      }))
  })
}
