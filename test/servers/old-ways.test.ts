/** What few servers still see or ask for: HTTP/1.0, streams of the first kind, strictness about bodies. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type ServerOptions } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Stream } from 'node:stream'
import { test, type TestContext } from 'node:test'

import { createApp, type App } from 'unwind'
import { handle, scoped, type Listener } from 'unwind/http'

import { within } from '../core/support/promises.ts'
import { ask, Peer } from './support/client.ts'

interface Served {
  readonly app: App
  readonly port: number
  readonly reported: unknown[]
}

async function serve(
  t: TestContext,
  make: (app: App) => Listener,
  options: ServerOptions = {},
): Promise<Served> {
  const reported: unknown[] = []
  const app = createApp({ onError: (error) => void reported.push(error) })
  const server = createServer(options, make(app)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(async () => {
    server.closeAllConnections()
    server.close()
    await app.close()
  })
  const { port } = server.address() as AddressInfo
  return { app, port, reported }
}

const broken = new Error('broken')

test('a stream that breaks for a client of HTTP/1.0 is a reset, because an end would be that of its body', async (t) => {
  async function* pieces(): AsyncGenerator<string> {
    yield 'piece'
    await told.promise
    throw broken
  }
  const told = Promise.withResolvers<void>()
  const served = await serve(t, (app) => handle(app, () => pieces()))
  using peer = await Peer.connect(served)
  const errors: unknown[] = []
  peer.socket.on('error', (error) => errors.push(error))
  peer.socket.write('GET / HTTP/1.0\r\n\r\n')
  await peer.until('piece')
  told.resolve()
  await within(peer.closed)
  assert.match(String(errors), /ECONNRESET/)
  assert.deepEqual(served.reported, [broken])
})

const strict = { rejectNonStandardBodyWrites: true } as const

test('a server that is strict about bodies answers HEAD, and an error of it', async (t) => {
  const served = await serve(
    t,
    (app) =>
      handle(app, ({ url }) => {
        if (url === '/') return 'text'
        throw broken
      }),
    strict,
  )
  const { status, headers } = await within(ask(served, '/', { method: 'HEAD' }))
  assert.deepEqual([status, headers['content-length']], [200, '4'])
  assert.equal((await within(ask(served, '/broken', { method: 'HEAD' }))).status, 500)
  assert.deepEqual(served.reported, [broken])
})

test('an onError that fails in the middle of its answer leaves nobody waiting', async (t) => {
  const failed = new Error('in the middle')
  const fail = (): never => {
    throw broken
  }
  const served = await serve(t, (app) =>
    handle(app, fail, {
      onError(_error, response) {
        response.write('begun')
        throw failed
      },
    }),
  )
  using peer = await Peer.connect(served)
  peer.get('/')
  await within(peer.closed)
  assert.doesNotMatch(peer.received, /\r\n0\r\n/)
  assert.deepEqual(served.reported, [broken, failed])
})

for (const [what, more] of [
  ['cannot be destroyed', {}],
  ['has a `destroy` that is no method', { destroy: true }],
] as const) {
  test(`a stream of the first kind that is piped and ${what} does not end the process`, async (t) => {
    const source = Object.assign(new Stream(), { readable: true, ...more })
    const served = await serve(t, (app) =>
      scoped(
        app,
        (_request, response) => {
          source.pipe(response)
          source.emit('data', 'piece')
        },
        { abandonAfter: 1 },
      ),
    )
    using peer = await Peer.connect(served)
    peer.get('/')
    await peer.until('piece')
    peer.socket.destroy()
    await once(source, 'removeListener')
    while (served.app.inspect().children.length > 0) await new Promise(setImmediate)
    assert.match(String(served.reported), /abandoned/)
  })
}

test('an end that was held back, and that Node.js refuses, is an error response where nothing had to be released', async (t) => {
  const served = await serve(t, (app) =>
    scoped(
      app,
      (_request, response) => {
        setImmediate(() => response.end(1))
      },
      { closeAt: 'answer' },
    ),
  )
  assert.equal((await within(ask(served, '/'))).status, 500)
  assert.match(String(served.reported), /^TypeError/)
})
