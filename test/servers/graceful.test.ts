/** However a graceful server is closed: every answer is delivered whole, and nobody who is silent keeps it open. */
import assert from 'node:assert/strict'
import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { suite, test, type TestContext } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'

import { getRequestListener } from '@hono/node-server'
import { Hono } from 'hono'
import { createApp, resource, type App, type ShutdownReport } from 'unwind'
import { honoFetch } from 'unwind/hono'
import { graceful, handle, listen } from 'unwind/http'

import { get, large, RawClient, SlowDownload } from '../../bench/shutdown/clients.ts'
import { isPending, quiet, within } from '../core/support/promises.ts'
import { doors } from './support/doors.ts'

const linger = 50

const lease = resource({ name: 'lease', acquire: () => 'lease' })

for (const [way, open] of Object.entries(doors)) {
  suite(`closed by ${way}`, { timeout: 60_000 }, () => {
    test('an answer that has ended and is on its way to a slow reader is delivered whole', async (t) => {
      const body = Buffer.alloc(large, 'x')
      const door = await open(
        t,
        (_request, response) => response.setHeader('Content-Length', large).end(body),
        linger,
      )
      const downloads = await Promise.all([0, 1].map(() => SlowDownload.begin(door.port)))
      const closing = door.close()
      for (let i = 0; i < 20; i += 1) await turn()
      for (const download of downloads) {
        assert.equal(download.whole, false)
        await within(download.readOn(200 * 1024 * 1024))
        assert.ok(download.whole)
      }
      await within(closing)
    })

    test('a request in progress is answered, and told that its connection ends', async (t) => {
      const asked = Promise.withResolvers<ServerResponse>()
      const door = await open(t, (_request, response) => asked.resolve(response), linger)
      using client = await RawClient.open(door.port, get('/'))
      const response = await within(asked.promise)
      const closing = door.close()
      if (way === 'app.close()') {
        // It does not wait for whoever is at work: it closes their scopes.
        await quiet()
      } else {
        assert.ok(await isPending(closing))
      }
      response.end('the whole answer')
      await within(client.closed)
      assert.match(
        client.head,
        /^HTTP\/1\.1 200 OK\r\n[^]*Connection: close\r\n[^]*the whole answer$/,
      )
      assert.equal(client.error, undefined)
      await within(closing)
    })

    test('connections that are idle, silent, half a request, or upgraded do not keep it open', async (t) => {
      const door = await open(t, (_request, response) => response.end('done'), linger)
      door.server.on('upgrade', (_request, raw) => {
        raw.on('error', () => {}).resume()
        raw.write(
          'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\n',
        )
        // As an application that listens to the shutdown does.
        door.app.draining.addEventListener('abort', () => raw.end())
        if (!way.startsWith('app')) setTimeout(() => raw.end(), 20)
      })
      using idle = await RawClient.open(door.port, get('/'))
      await within(idle.answered())
      using silent = await RawClient.open(door.port)
      using half = await RawClient.open(door.port, 'GET /half HTTP/1.1\r\nHost:')
      using upgraded = await RawClient.open(
        door.port,
        get('/', 'Connection: Upgrade', 'Upgrade: test'),
      )
      await within(upgraded.answered())
      const closing = door.close()
      await within(Promise.all([idle.closed, silent.closed, half.closed, upgraded.closed]))
      await within(closing)
    })

    test('a request on a connection that is still open is served, with Connection: close', async (t) => {
      const door = await open(t, (_request, response) => response.end('served'), 60_000)
      using client = await RawClient.open(door.port, get('/first'))
      await within(client.answered())
      const closing = door.close()
      while (door.server.listening) await quiet()
      await quiet()
      client.head = ''
      client.socket.write(get('/second'))
      await within(client.closed)
      // Whoever closes an app does not wait for anybody; its shutdown does.
      const expected =
        way === 'app.close()' ? /^HTTP\/1\.1 503 / : /^HTTP\/1\.1 200 OK\r\n[^]*served$/
      assert.match(client.head, expected)
      assert.match(client.head, /\r\nConnection: close\r\n/)
      await within(closing)
    })

    test('pipelined requests are all answered, and only the last one ends the connection', async (t) => {
      const answers: ServerResponse[] = []
      const all = Promise.withResolvers<void>()
      const door = await open(
        t,
        (_request, response) => {
          if (answers.push(response) === 3) all.resolve()
        },
        linger,
      )
      using client = await RawClient.open(door.port, get('/1') + get('/2') + get('/3'))
      let text = ''
      client.socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')))
      await within(all.promise)
      const closing = door.close()
      do await quiet()
      while (door.server.listening)
      for (const [i, answer] of answers.entries()) answer.end(`answer ${i}`)
      await within(client.closed)
      assert.match(text, /answer 0[^]*answer 1[^]*Connection: close[^]*answer 2$/)
      assert.equal(text.split('Connection: close').length, 2)
      await within(closing)
    })

    test('closing it in several ways at once is one end', async (t) => {
      const door = await open(t, (_request, response) => response.end('done'), linger)
      using idle = await RawClient.open(door.port, get('/'))
      await within(idle.answered())
      let closes = 0
      door.server.on('close', () => (closes += 1))
      await within(Promise.all([door.close(), door.app.shutdown(), door.app.close()]))
      await turn()
      assert.equal(door.server.listening, false)
      assert.equal(closes, 1)
    })
  })
}

for (const way of ['app.shutdown()', 'disposing what listen() gave']) {
  test(`a connection that waits at the door is let in before it closes by ${way}`, async (t) => {
    const door = await doors[way]?.(t, (_request, response) => response.end('served'), 60_000)
    assert.ok(door !== undefined)
    const clients = await Promise.all([0, 1, 2, 3].map(() => RawClient.open(door.port)))
    const closing = door.close()
    for (const client of clients) {
      client.socket.write(get('/'))
      await within(client.closed)
      assert.match(client.head, /served$/)
    }
    await within(closing)
  })
}

for (const [what, head] of [
  ['upgraded', get('/', 'Connection: Upgrade', 'Upgrade: test')],
  ['that is a tunnel', 'CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n'],
] as const) {
  test(`a connection ${what} is destroyed when all graces of a shutdown are over`, async (t) => {
    const door = await doors['app.shutdown()']?.(t, () => {}, 0)
    assert.ok(door !== undefined)
    for (const event of ['upgrade', 'connect']) {
      door.server.on(event, (_request: unknown, raw: Socket) => {
        raw.on('error', () => {}).resume()
        raw.write('HTTP/1.1 200 OK\r\n\r\n')
      })
    }
    using client = await RawClient.open(door.port, head)
    await within(client.answered())
    const begin = performance.now()
    const closing = door.app.shutdown({ grace: 100, abortGrace: 20 })
    assert.ok(await isPending(closing))
    await within(closing)
    await within(client.closed)
    // Other machines are slower, but 5 s is what connections have where there is more grace.
    assert.ok(performance.now() - begin < 3_000)
  })
}

interface Late {
  /** Has asked for `/first`, which is aborted. */
  readonly holding: RawClient
  /** Had connected before, and has asked for `/late` after that. */
  readonly late: RawClient
  readonly closing: Promise<ShutdownReport>
}

/** Shuts down without a grace, and asks once `/first` was `aborted`; resolves when that connection is closed. */
async function askLate(
  t: TestContext,
  app: App,
  server: Server,
  aborted: Promise<void>,
): Promise<Late> {
  const { port } = await listen(app, server, { port: 0, host: '127.0.0.1', linger: 60_000 })
  t.after(() => server.closeAllConnections())
  const holding = await RawClient.open(port, get('/first'))
  t.after(() => holding[Symbol.dispose]())
  const late = await RawClient.open(port)
  t.after(() => late[Symbol.dispose]())
  const closing = app.shutdown({ grace: 0, abortGrace: 60_000 })
  await within(aborted)
  late.socket.write(get('/late'))
  await within(late.closed)
  return { holding, late, closing }
}

test('a request that comes when the grace of a shutdown is over is aborted at once', async (t) => {
  const app = createApp()
  const aborted: boolean[] = []
  const first = Promise.withResolvers<void>()
  const released = Promise.withResolvers<void>()
  const server = createServer(
    handle(app, async ({ url }, _response, scope) => {
      if (url === '/first') {
        scope.signal.addEventListener('abort', () => first.resolve())
        await released.promise
      } else {
        aborted.push(scope.signal.aborted)
        await scope.get(lease)
      }
      return 'done'
    }),
  )
  const { holding, late, closing } = await askLate(t, app, server, first.promise)
  assert.match(late.head, /^HTTP\/1\.1 503 /)
  assert.deepEqual(aborted, [true])
  released.resolve()
  await within(holding.closed)
  const { aborted: cut, stuck } = await within(closing)
  assert.deepEqual([cut, stuck], [2, []])
})

/** Whatever its handler waits for, it heeds no abort. */
const heedless: Readonly<Record<string, (app: App, ended: Promise<void>) => RequestListener>> = {
  handle: (app, ended) => handle(app, () => ended, { timeout: 60_000 }),
  honoFetch: (app, ended) => {
    const hono = new Hono().get('/late', (c) => ended.then(() => c.text('done')))
    const listener = getRequestListener(honoFetch(app, hono, { timeout: 60_000 }))
    return (request, response) => void listener(request, response)
  },
}

for (const [name, make] of Object.entries(heedless)) {
  test(`a request to ${name} that comes then, and has a timeout, is answered although its handler heeds nothing`, async (t) => {
    const app = createApp()
    const first = Promise.withResolvers<void>()
    const released = Promise.withResolvers<void>()
    const holding = handle(app, async (_request, _response, scope) => {
      scope.signal.addEventListener('abort', () => first.resolve())
      await released.promise
    })
    const others = make(app, released.promise)
    const server = createServer((request, response) => {
      const serving = request.url === '/first' ? holding : others
      serving(request, response)
    })
    const { holding: busy, late, closing } = await askLate(t, app, server, first.promise)
    assert.match(late.head, /^HTTP\/1\.1 503 /)
    busy.socket.destroy()
    released.resolve()
    assert.deepEqual((await within(closing)).stuck, [])
  })
}

test('of several who made a server graceful each can let go of it alone, and the last leaves it as it was', async () => {
  await using app = createApp()
  await using other = createApp()
  const body = Buffer.alloc(large, 'x')
  const server = createServer((_request, response) => response.end(body))
  const replaced = ['closeIdleConnections', Symbol.asyncDispose, 'listenerCount'] as const
  const methods = (): unknown[] => replaced.map((name) => server[name])
  const before = methods()
  const first = graceful(app, server, { linger })
  const listening = await listen(other, server, { port: 0, host: '127.0.0.1', linger })
  await first[Symbol.asyncDispose]()
  await first[Symbol.asyncDispose]()
  const download = await SlowDownload.begin(listening.port)
  const closing = listening[Symbol.asyncDispose]()
  while (server.listening) await turn()
  await within(download.readOn(200 * 1024 * 1024))
  assert.ok(download.whole)
  await within(Promise.resolve(closing))
  assert.deepEqual(methods(), before)
})

test('one whose app is closed in its lame duck closes at once', async () => {
  const app = createApp()
  const server = createServer()
  await listen(app, server, { port: 0, linger })
  const shutdown = app.shutdown({ lameDuck: 60_000 })
  await within(Promise.all([app.close(), shutdown]))
  assert.equal(server.listening, false)
})
