/** The answers of `handle()`: when they leave, and what becomes of them where a commit or a stream fails. */
import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { describe, test } from 'node:test'

import { currentScope, type Scope } from 'unwind'

import { answers, pieces, plain } from './support/answers.ts'
import { ask, Peer } from './support/client.ts'
import { openHandled } from './support/handled-site.ts'
import { turn } from './support/scoped-site.ts'

describe('the answer of handle()', () => {
  /** A response whose first byte is watched, and what its scope was by then. */
  async function firstByte(make: (scope: Scope) => unknown): Promise<string> {
    let state = ''
    await using site = await openHandled((_request, response, scope) => {
      const { socket } = response
      const write = socket?.write
      if (socket !== null) {
        socket.write = (...parameters: never[]): boolean => {
          state ||= scope.state
          return Reflect.apply(write as never, socket, parameters)
        }
      }
      return make(scope)
    })
    await ask(site, '/')
    return state
  }

  for (const [name, make, , body] of answers) {
    const streamed = name.includes('slow') || (name.includes('generator') && body !== '')
    test(`of ${name} leaves ${streamed ? 'while its scope is open' : 'after its scope closed'}`, async () => {
      assert.equal(await firstByte(() => make()), streamed ? 'open' : 'closed')
    })
  }

  for (const [name, make] of answers.filter(([name]) => !/slow|generator/.test(name))) {
    test(`of ${name} is a 500 when the commit fails`, async () => {
      await using site = await openHandled((_request, _response, scope) => {
        scope.defer(() => {
          throw new Error('not committed')
        })
        return make()
      })
      const answer = await ask(site, '/')
      assert.deepEqual([answer.status, answer.headers['content-type']], [500, plain])
      assert.deepEqual(site.reported.map(String), ['Error: not committed'])
    })
  }

  test('of a stream keeps the scope open until it ends, and its end comes after the commit', async () => {
    const gate = Promise.withResolvers<void>()
    await using site = await openHandled((_request, response, scope) => {
      const end = response.end.bind(response)
      response.end = (() => end(`${scope.state}\n`)) as never
      return (async function* () {
        yield 'first\n'
        await gate.promise
        yield `${currentScope().state}\n`
      })()
    })
    using peer = await Peer.connect(site)
    peer.get('/')
    await peer.until('first')
    assert.equal(site.watched[0]?.scope.state, 'open')
    gate.resolve()
    await peer.until('open\n')
    await peer.until('closed\n')
    assert.deepEqual(await site.statuses(), ['success'])
  })

  test('of a stream whose commit fails is cut off, so that it does not look complete', async () => {
    await using site = await openHandled((_request, _response, scope) => {
      scope.defer(() => {
        throw new Error('not committed')
      })
      return pieces('one', 'two')
    })
    using peer = await Peer.connect(site)
    peer.get('/')
    await peer.closed
    assert.match(peer.received, /one/)
    assert.doesNotMatch(peer.received, /\r\n0\r\n/)
    assert.deepEqual(site.reported.map(String), ['Error: not committed'])
  })

  test('of a stream that fails before its first piece is an error response', async () => {
    await using site = await openHandled(() =>
      (async function* () {
        throw Object.assign(new Error('No such table.'), { status: 404 })
      })(),
    )
    assert.equal((await ask(site, '/')).body, 'No such table.')
    assert.deepEqual(await site.statuses(), ['failure'])
  })

  for (const [name, make] of [
    [
      'a generator',
      () =>
        (async function* () {
          yield 'half'
          await turn()
          await turn()
          throw new Error('lost')
        })(),
    ],
    [
      'a Readable',
      () =>
        Readable.from(
          (async function* () {
            yield 'half'
            await turn()
            await turn()
            throw new Error('lost')
          })(),
        ),
    ],
    [
      'a web stream',
      () => {
        let n = 0
        return new ReadableStream(
          {
            async pull(controller) {
              if (n++ > 0) {
                await turn()
                await turn()
                throw new Error('lost')
              }
              controller.enqueue('half')
            },
          },
          { highWaterMark: 0 },
        )
      },
    ],
    ['a generator of objects', () => pieces('half', { no: 'text' })],
  ] as const) {
    test(`of ${name} that fails in the middle is cut off, and its scope fails`, async () => {
      await using site = await openHandled(make)
      using peer = await Peer.connect(site)
      peer.get('/')
      await peer.closed
      assert.match(peer.received, /half/)
      assert.doesNotMatch(peer.received, /\r\n0\r\n/)
      assert.deepEqual(await site.statuses(), ['failure'])
      assert.equal(site.reported.length, 1)
    })
  }

  test('is no faster than its client reads', async () => {
    let produced = 0
    await using site = await openHandled(() =>
      (async function* () {
        for (; produced < 200; produced += 1) yield Buffer.alloc(64 * 1024)
      })(),
    )
    using peer = await Peer.connect(site)
    peer.get('/', 'Connection: close')
    await peer.until('\r\n\r\n')
    peer.socket.pause()
    // Until the buffers between the two are full, and nothing moves any more.
    for (let before = -1; before !== produced;) {
      before = produced
      for (let turns = 0; turns < 50; turns += 1) await turn()
    }
    assert.ok(produced < 200, `${produced} of 200 pieces`)
    peer.socket.resume()
    await peer.closed
    assert.match(peer.received, /\r\n0\r\n/)
    assert.equal(produced, 200)
  })

  test('can be sent before its scope closes, where that is told by closeAt: ended', async () => {
    await using site = await openHandled(
      (_request, _response, scope) => {
        scope.defer(() => {
          throw new Error('not committed')
        })
        return 'sent'
      },
      { closeAt: 'ended' },
    )
    assert.equal((await ask(site, '/')).body, 'sent')
    await site.outcomes()
    assert.deepEqual(site.reported.map(String), ['Error: not committed'])
  })
})
