import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { describe, test } from 'node:test'

import { currentScope, type Scope } from 'unwind'
import { handle } from 'unwind/http'

import { ask, Peer } from './support/client.ts'
import { openHandled } from './support/handled-site.ts'
import { turn } from './support/scoped-site.ts'
import { Site } from './support/site.ts'

async function* pieces(...values: unknown[]): AsyncGenerator {
  for (const value of values) {
    await turn()
    await turn()
    yield value
  }
}

function webStream(...values: string[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const value of values) controller.enqueue(new TextEncoder().encode(value))
      controller.close()
    },
  })
}

const plain = 'text/plain; charset=utf-8'
const bytes = 'application/octet-stream'

/** What a handler can return, with the type and the body that its client gets. */
const answers: readonly [
  name: string,
  make: () => unknown,
  type: string | undefined,
  body: string,
][] = [
  ['a string', () => 'grüße', plain, 'grüße'],
  ['an empty string', () => '', plain, ''],
  ['a Buffer', () => Buffer.from('bytes'), bytes, 'bytes'],
  ['a typed array', () => new Uint16Array([0x4241]), bytes, 'AB'],
  ['an ArrayBuffer', () => new TextEncoder().encode('buffer').buffer, bytes, 'buffer'],
  ['an object', () => ({ total: 7 }), 'application/json', '{"total":7}'],
  ['an array', () => [1, 2], 'application/json', '[1,2]'],
  ['a number', () => 0, 'application/json', '0'],
  ['a boolean', () => false, 'application/json', 'false'],
  ['null', () => null, 'application/json', 'null'],
  ['an object with toJSON', () => new Date(0), 'application/json', '"1970-01-01T00:00:00.000Z"'],
  ['a Readable', () => Readable.from(['a', 'b']), bytes, 'ab'],
  ['a slow Readable', () => Readable.from(pieces('a', 'b')), bytes, 'ab'],
  ['a slow web stream', () => ReadableStream.from(pieces(Buffer.from('web'))), bytes, 'web'],
  ['a web stream', () => webStream('we', 'b'), bytes, 'web'],
  ['an async generator', () => pieces('a', Buffer.from('b'), 'c'), bytes, 'abc'],
  ['an async generator without pieces', () => pieces(), bytes, ''],
  ['a Response of a string', () => new Response('text'), 'text/plain;charset=UTF-8', 'text'],
  ['a Response of JSON', () => Response.json({ a: 1 }), 'application/json', '{"a":1}'],
  ['a Response of a stream', () => new Response(webStream('x', 'y')), undefined, 'xy'],
  ['a Response without a body', () => new Response(null), undefined, ''],
]

describe('a handler of handle()', () => {
  for (const [name, make, type, body] of answers) {
    test(`can return ${name}`, async () => {
      await using site = await openHandled(async () => make())
      const answer = await ask(site, '/')
      assert.deepEqual([answer.status, answer.body], [200, body])
      assert.equal(answer.headers['content-type'], type)
      assert.deepEqual(await site.statuses(), ['success'])
      assert.deepEqual(site.reported, [])
    })
  }

  test('can return its answer without a promise', async () => {
    await using site = await openHandled(() => 'at once')
    assert.equal((await ask(site, '/')).body, 'at once')
  })

  test('sets status and headers on the response, its own content type too', async () => {
    await using site = await openHandled((_request, response) => {
      response.statusCode = 201
      response.setHeader('Content-Type', 'text/html')
      response.setHeader('X-Own', 'yes')
      return '<p>'
    })
    const { status, headers } = await ask(site, '/')
    assert.deepEqual([status, headers['content-type'], headers['x-own']], [201, 'text/html', 'yes'])
    assert.equal(headers['content-length'], '3')
  })

  test('can write the head and return the body', async () => {
    await using site = await openHandled((_request, response) => {
      response.writeHead(202, { 'content-type': 'text/event-stream' })
      return pieces('data: 1\n\n', 'data: 2\n\n')
    })
    const { status, headers, body } = await ask(site, '/')
    assert.deepEqual([status, headers['content-type']], [202, 'text/event-stream'])
    assert.equal(body, 'data: 1\n\ndata: 2\n\n')
  })

  test('gives a Response its own status, words and headers, each cookie of several', async () => {
    await using site = await openHandled(() => {
      const headers = new Headers({ 'x-own': 'yes' })
      headers.append('set-cookie', 'a=1')
      headers.append('set-cookie', 'b=2')
      return new Response('teapot', { status: 418, statusText: 'Teapot', headers })
    })
    const { status, headers } = await ask(site, '/')
    assert.deepEqual(
      [status, headers['x-own'], headers['set-cookie']],
      [418, 'yes', ['a=1', 'b=2']],
    )
  })

  for (const [name, make] of [
    ['a symbol', () => Symbol('x')],
    ['a function', () => () => {}],
    ['a bigint', () => 1n],
    [
      'a circle',
      () => {
        const circle: { self?: unknown } = {}
        circle.self = circle
        return circle
      },
    ],
    ['a failed Response', () => Response.error()],
    [
      'a Response that was read',
      async () => {
        const used = new Response('x')
        await used.text()
        return used
      },
    ],
  ] as const) {
    test(`that returns ${name} has failed: nothing is committed, and the answer is 500`, async () => {
      await using site = await openHandled(async () => make())
      assert.equal((await ask(site, '/')).status, 500)
      assert.deepEqual(await site.statuses(), ['failure'])
      assert.equal(site.reported.length, 1)
    })
  }

  for (const status of [204, 304]) {
    test(`with the status ${status} sends no body`, async () => {
      await using site = await openHandled((request, response) => {
        response.statusCode = status
        return request.url === '/stream' ? pieces('a') : 'a'
      })
      for (const path of ['/', '/stream']) {
        assert.deepEqual(await ask(site, path).then((answer) => [answer.status, answer.body]), [
          status,
          '',
        ])
      }
      assert.deepEqual(await site.statuses(), ['success', 'success'])
    })
  }

  test('sends the length and no body to HEAD, and ends a stream that nobody will read', async () => {
    const ended: string[] = []
    await using site = await openHandled((request) => {
      if (request.url === '/') return 'text'
      const stream = Readable.from(pieces('a', 'b'))
      stream.once('close', () => ended.push(String(request.url)))
      return stream
    })
    const answer = await ask(site, '/', { method: 'HEAD' })
    assert.deepEqual([answer.headers['content-length'], answer.body], ['4', ''])
    assert.equal((await ask(site, '/stream', { method: 'HEAD' })).body, '')
    assert.deepEqual(ended, ['/stream'])
    assert.deepEqual(await site.statuses(), ['success', 'success'])
  })

  test('is given its scope, which is ambient too', async () => {
    await using site = await openHandled((_request, _response, scope) => scope === currentScope())
    assert.equal((await ask(site, '/')).body, 'true')
  })
})

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

describe('a handler of handle() that writes to the response itself', () => {
  test('may answer in any way, and its scope closes once all bytes were produced', async () => {
    await using site = await openHandled(async (request, response) => {
      if (request.url === '/returned') return response.end('self')
      if (request.url === '/later') setTimeout(() => response.end('self'), 5)
      else if (request.url === '/piped') Readable.from(['se', 'lf']).pipe(response)
      else response.end('self')
      return undefined
    })
    for (const path of ['/', '/returned', '/later', '/piped']) {
      assert.equal((await ask(site, path)).body, 'self')
    }
  })

  test('commits before it answers: releasing is never the commit of an answer already sent', async () => {
    await using site = await openHandled(async (request, response, scope) => {
      if (request.url === '/complete') scope.complete()
      response.end('self')
    })
    await ask(site, '/')
    await ask(site, '/complete')
    assert.deepEqual(await site.statuses(), ['unknown', 'success'])
  })

  test('may close its scope before or after it has answered, and nothing is reported', async () => {
    await using site = await openHandled(async (request, response, scope) => {
      if (request.url === '/after') response.end('self')
      await scope.close()
      if (request.url === '/before') response.end('self')
    })
    for (const path of ['/before', '/after']) assert.equal((await ask(site, path)).body, 'self')
    assert.deepEqual(await site.statuses(), ['unknown', 'unknown'])
    assert.deepEqual(site.reported, [])
  })

  test('keeps what it sent, whatever it returns afterwards', async () => {
    await using site = await openHandled((_request, response) => {
      response.end('self')
      return { ignored: true }
    })
    assert.equal((await ask(site, '/')).body, 'self')
  })
})

describe('the onError of handle()', () => {
  test('may write the answer, and is given the whole chain', async () => {
    const seen: unknown[] = []
    await using site = await openHandled(
      (_request, _response, scope) => {
        scope.defer(() => {
          throw new Error('release')
        })
        throw new Error('body')
      },
      {
        onError: (error, response) => {
          seen.push(error)
          response.statusCode = 422
          response.end('mine')
        },
      },
    )
    const answer = await ask(site, '/')
    assert.deepEqual([answer.status, answer.body], [422, 'mine'])
    assert.equal((seen[0] as SuppressedError).suppressed.message, 'body')
    assert.deepEqual([seen.length, site.reported], [1, []])
  })

  test('that writes nothing leaves the answer to the adapter', async () => {
    const seen: unknown[] = []
    await using site = await openHandled(
      () => {
        throw new Error('body')
      },
      { onError: (error) => seen.push(error) },
    )
    assert.equal((await ask(site, '/')).status, 500)
    assert.deepEqual([seen.length, site.reported], [1, []])
  })

  test('that fails itself is reported with the error that it was given', async () => {
    await using site = await openHandled(
      () => {
        throw new Error('body')
      },
      {
        onError: () => {
          throw new Error('hook')
        },
      },
    )
    assert.equal((await ask(site, '/')).status, 500)
    assert.deepEqual(site.reported.map(String), ['Error: body', 'Error: hook'])
  })
})

describe('handle()', () => {
  test('checks what it is given at the door', async () => {
    await using site = await Site.open((made) => handle(made.app, () => ''))
    assert.throws(() => handle(site.app, undefined as never), /handler given to handle\(\)/)
    assert.throws(() => handle(site.app, () => '', { onError: 1 as never }), /`onError` of handle/)
    assert.throws(() => handle({} as never, () => ''), /first argument of handle\(\)/)
  })
})
