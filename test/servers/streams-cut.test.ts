import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { Readable } from 'node:stream'
import { describe, test } from 'node:test'

import { getRequestListener, type HttpBindings } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { Hono } from 'hono'
import { currentScope } from 'unwind'
import { honoFetch } from 'unwind/hono'

import { Peer } from './support/client.ts'
import { openHandled } from './support/handled-site.ts'
import { opened, plainKinds, type Call, type Handler, type Kind } from './support/kinds.ts'
import { brokenWith, openScoped, turn } from './support/scoped-site.ts'
import { Site } from './support/site.ts'

/** Pieces without end, and what was seen of their producer. */
class Producer {
  readonly log: string[] = []
  readonly ended: Promise<unknown>
  readonly #ended = Promise.withResolvers<void>()

  constructor() {
    this.ended = this.#ended.promise
  }

  /** @param stop called when some are sent */
  async *pieces(stop?: () => void): AsyncGenerator<string> {
    try {
      for (let sent = 1; ; sent += 1) {
        yield 'piece\n'
        await turn()
        if (sent === 5) stop?.()
      }
    } finally {
      await turn()
      this.log.push('producer ended')
      this.#ended.resolve()
    }
  }
}

for (const kind of plainKinds) {
  describe(`a stream of ${kind.name}`, () => {
    for (const [how, leave] of [
      ['with a FIN', (peer: Peer) => peer.socket.end()],
      ['with a reset', (peer: Peer) => peer.reset()],
    ] as const) {
      test(`whose client leaves ${how} ends its producer before anything is released`, async () => {
        const producer = new Producer()
        await using site = await Site.serve(kind, async ({ scope }) => {
          scope.defer(({ status }) => producer.log.push(`released: ${status}`))
          return { body: producer.pieces() }
        })
        using peer = await Peer.connect(site)
        peer.get('/')
        await peer.until('piece', 3)
        leave(peer)
        await site.outcomes()
        await producer.ended
        assert.deepEqual(producer.log, ['producer ended', 'released: aborted'])
        assert.deepEqual(site.reported, [])
      })
    }

    test('whose scope is aborted, as by its time, is cut off then, and not once its handler would be abandoned', async () => {
      const producer = new Producer()
      const enough = new Error('enough')
      const serve: Handler = async ({ scope }) => {
        scope.defer(({ status }) => producer.log.push(`released: ${status}`))
        const stop = (): void => scope.abort(enough)
        return { body: producer.pieces(stop) }
      }
      await using site = await Site.serve(kind, serve, { timeout: 60_000, abandonAfter: 60_000 })
      using peer = await Peer.connect(site)
      peer.get('/')
      await peer.closed
      assert.match(peer.received, /piece/)
      assert.doesNotMatch(peer.received, /\r\n0\r\n/)
      await site.outcomes()
      assert.deepEqual(producer.log, ['producer ended', 'released: aborted'])
      assert.deepEqual(site.reported, [])
    })

    test('that fails in the middle is cut off, and its scope fails with the same error', async () => {
      const error = new Error('broken')
      await using site = await Site.serve(kind, async () => ({ body: brokenWith(error) }))
      using peer = await Peer.connect(site)
      peer.get('/')
      await peer.closed
      assert.match(peer.received, /half/)
      assert.doesNotMatch(peer.received, /\r\n0\r\n/)
      const [exit] = await site.outcomes()
      assert.deepEqual(
        { ...exit, signal: undefined },
        { status: 'failure', error, signal: undefined },
      )
    })
  })
}

describe('a stream that is piped into a response by hand', () => {
  test('is ended when its client leaves, which pipe() alone does not do', async () => {
    const sources: Readable[] = []
    await using site = await openScoped((_request, response) => {
      const source = Readable.from(new Producer().pieces())
      sources.push(source)
      source.pipe(response)
    })
    using peer = await Peer.connect(site)
    peer.get('/')
    await peer.until('piece', 3)
    peer.reset()
    assert.deepEqual(await site.statuses(), ['aborted'])
    assert.deepEqual(
      sources.map(({ destroyed }) => destroyed),
      [true],
    )
  })

  test('is so in a handler of Hono, too, before anything is released', async () => {
    const producer = new Producer()
    const hono = new Hono<{ Bindings: HttpBindings }>()
    const kind: Pick<Kind, 'open'> = {
      open: (app, handler) => {
        hono.get('/', ({ env }) => {
          // Nothing else of the call is used here.
          void handler({ scope: currentScope() } as Call)
          Readable.from(producer.pieces()).pipe(env.outgoing)
          return RESPONSE_ALREADY_SENT
        })
        const listener = getRequestListener(honoFetch(app, hono))
        return opened(createServer((request, response) => void listener(request, response)))
      },
    }
    await using site = await Site.serve(kind, async ({ scope }) => {
      scope.defer(({ status }) => producer.log.push(`released: ${status}`))
      return {}
    })
    using peer = await Peer.connect(site)
    peer.get('/')
    await peer.until('piece', 3)
    peer.reset()
    await site.outcomes()
    assert.deepEqual(producer.log, ['producer ended', 'released: aborted'])
  })

  test('and fails without a listener cuts the answer, is reported, and does not crash the process', async () => {
    await using site = await openScoped((_request, response) => {
      Readable.from(
        (async function* broken() {
          yield 'half'
          await turn()
          throw new Error('broken')
        })(),
      ).pipe(response)
    })
    using peer = await Peer.connect(site)
    peer.get('/')
    await peer.closed
    assert.doesNotMatch(peer.received, /\r\n0\r\n/)
    assert.deepEqual(await site.statuses(), ['failure'])
    assert.deepEqual(site.reported.map(String), ['Error: broken'])
  })

  test('and fails with a listener leaves the answer to that', async () => {
    await using site = await openScoped((_request, response) => {
      const source = new Readable({ read: () => source.destroy(new Error('no such file')) })
      source.on('error', () => {
        setImmediate(() => response.writeHead(404).end('not here'))
      })
      source.pipe(response)
    })
    using peer = await Peer.connect(site)
    peer.get('/')
    await peer.until('not here')
    assert.match(peer.received, /^HTTP\/1.1 404/)
    assert.deepEqual(await site.statuses(), ['success'])
    assert.deepEqual(site.reported, [])
  })
})

test('a stream whose scope its handler has closed ends its producer when the client leaves, and nothing is reported', async () => {
  const producer = new Producer()
  await using site = await openHandled(async (_request, _response, scope) => {
    scope.complete()
    await scope.close()
    return producer.pieces()
  })
  using peer = await Peer.connect(site)
  peer.get('/')
  await peer.until('piece', 3)
  peer.reset()
  await producer.ended
  assert.deepEqual(await site.statuses(), ['success'])
  assert.deepEqual(site.reported, [])
})
