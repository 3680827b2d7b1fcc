/** Listening, and what of it is undone: addresses, failures, detaching, several servers in one app. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, request, type RequestListener, type Server } from 'node:http'
import { createServer as createHttp2Server } from 'node:http2'
import { createServer as createHttpsServer } from 'node:https'
import { connect, createServer as createNetServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { test } from 'node:test'

import { createApp, resource } from 'unwind'
import { graceful, listen, scoped } from 'unwind/http'

import { rejection, within } from '../core/support/promises.ts'
import { ask } from './support/client.ts'
import { askHttps, secrets } from './support/other-clients.ts'

const host = '127.0.0.1'
const done: RequestListener = (_request, response) => response.end('done')

test('listen() tells the port and the URL; disposing closes the server, which its app then forgets', async () => {
  await using app = createApp()
  const server = createServer(scoped(app, done))
  const listening = await listen(app, server, { port: 0, host })
  const { port } = server.address() as AddressInfo
  assert.equal(listening.port, port)
  assert.equal(listening.url, `http://127.0.0.1:${port}`)
  assert.equal((await ask(listening, '/')).body, 'done')
  await within(Promise.resolve(listening[Symbol.asyncDispose]()))
  assert.equal(server.listening, false)
  assert.deepEqual(app.inspect().resources, [])
  await within(Promise.resolve(listening[Symbol.asyncDispose]()))
})

test('the URL is one to connect to, whatever is listened on', async () => {
  await using app = createApp()
  const cases = [
    [undefined, 'http://localhost:'],
    ['0.0.0.0', 'http://127.0.0.1:'],
    ['::', 'http://localhost:'],
    ['::1', 'http://[::1]:'],
    ['localhost', 'http://localhost:'],
  ] as const
  for (const [name, url] of cases) {
    const options = { port: 0, linger: 0, ...(name !== undefined && { host: name }) }
    await using listening = await listen(app, createServer(done), options)
    assert.equal(listening.url, `${url}${listening.port}`)
    assert.equal(await (await fetch(listening.url)).text(), 'done')
  }
})

test('a server of https has a URL of https', async () => {
  await using app = createApp()
  const server = createHttpsServer(secrets, scoped(app, done))
  await using listening = await listen(app, server, { port: 0, host, linger: 0 })
  assert.equal(listening.url, `https://127.0.0.1:${listening.port}`)
  assert.equal((await askHttps(listening, '/')).body, 'done')
})

test('a port that is taken rejects with the error of the system, and nothing else fails', async (t) => {
  const taken = createNetServer()
  t.after(() => taken.close())
  await once(taken.listen(0, host), 'listening')
  const { port } = taken.address() as AddressInfo
  const server = createServer(done)
  const error = (await rejection(
    (async () => {
      await using app = createApp()
      await using _listening = await listen(app, server, { port, host })
    })(),
  )) as NodeJS.ErrnoException
  assert.equal(error.code, 'EADDRINUSE')
  assert.equal(server.listenerCount('request'), 1, 'and the server is as it was')
  assert.equal(Object.hasOwn(server, 'closeIdleConnections'), false)
})

test('the app closes with a server that never listened, without an error', async () => {
  for (const end of ['close', 'shutdown'] as const) {
    const app = createApp()
    graceful(app, createServer(done))
    const report = await within<unknown>(app[end]())
    if (end === 'shutdown') {
      assert.deepEqual(report, { drained: 0, aborted: 0, stuck: [], errors: [] })
    }
  }
})

test('a server that was closed before its app is no error', async () => {
  const app = createApp()
  const server = createServer(done)
  await listen(app, server, { port: 0, host, linger: 0 })
  const closed = once(server, 'close')
  server.close()
  await within(closed)
  assert.deepEqual((await within(app.shutdown())).errors, [])
})

test('`await using` a graceful server keeps the first error where the server never listened or was closed already', async (t) => {
  const taken = createNetServer()
  t.after(() => taken.close())
  await once(taken.listen(0, host), 'listening')
  const { port } = taken.address() as AddressInfo
  const makes = [
    () => createServer(done),
    () => createHttpsServer(secrets, done),
    createHttp2Server,
  ]
  for (const make of makes) {
    await using app = createApp()
    const busy = await rejection(
      (async () => {
        const server = make()
        graceful(app, server)
        await using _closing = server
        await once(server.listen(port, host), 'listening')
      })(),
    )
    assert.equal((busy as NodeJS.ErrnoException).code, 'EADDRINUSE')
    {
      const server = make()
      graceful(app, server, { linger: 0 })
      await using _closing = server
      await once(server.listen(0, host), 'listening')
      await within(app.shutdown())
      assert.equal(server.listening, false)
    }
  }
})

test('a unix socket is drained as a port is', { skip: process.platform === 'win32' }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'unwind-listen-'))
  const path = join(folder, 'socket')
  const app = createApp()
  const asked = Promise.withResolvers<() => void>()
  const server = createServer(
    scoped(app, (_request, response) => asked.resolve(() => response.end('the whole answer'))),
  )
  graceful(app, server)
  await within(once(server.listen(path), 'listening'))
  const sent = request({ socketPath: path, path: '/', agent: false }).end()
  const answer = await within(asked.promise)
  const shutdown = app.shutdown()
  answer()
  const [response] = await within(once(sent, 'response'))
  assert.equal((await response.setEncoding('utf8').toArray()).join(''), 'the whole answer')
  assert.deepEqual((await within(shutdown)).errors, [])
  await rm(folder, { recursive: true, force: true })
})

test('several servers of one app all close, after their last answer and before what they use', async () => {
  const log: string[] = []
  const app = createApp()
  for (const name of ['older', 'newer']) {
    await app.get(
      resource({
        name,
        lifetime: 'app',
        acquire: () => name,
        release: () => {
          log.push(`${name} pool`)
          if (name === 'newer') throw new Error('a pool that fails')
        },
      }),
    )
  }
  const answers: (() => void)[] = []
  const all = Promise.withResolvers<void>()
  const servers = await Promise.all(
    ['a', 'b'].map((name) => {
      const server: Server = createServer(
        scoped(app, async (_request, response) => {
          await new Promise<void>((resolve) => {
            if (answers.push(resolve) === 2) all.resolve()
          })
          response.end(name)
          log.push(`answered ${name}`)
        }),
      )
      return listen(app, server, { port: 0, host, linger: 0 })
    }),
  )
  const asked = Promise.all(servers.map((server) => ask(server, '/')))
  await within(all.promise)
  const shutdown = app.shutdown()
  for (const answer of answers) answer()
  assert.deepEqual(
    (await within(asked)).map(({ body }) => body),
    ['a', 'b'],
  )
  const { errors } = await within(shutdown)
  assert.deepEqual(errors.map(String), ['Error: a pool that fails'])
  assert.deepEqual(log.slice(2), ['newer pool', 'older pool'])
  assert.deepEqual(log.slice(0, 2).toSorted(), ['answered a', 'answered b'])
})

test('a peer that resets while its upgrade is being decided does not end the process', async () => {
  await using app = createApp()
  const server = createServer(done)
  const upgrading = Promise.withResolvers<Duplex>()
  server.on('upgrade', (_request, socket) => upgrading.resolve(socket))
  const { port } = await listen(app, server, { port: 0, host })
  const client = connect(port, host)
  client.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
  const socket = await within(upgrading.promise)
  const closed = new Promise((resolve) => socket.once('close', resolve))
  client.resetAndDestroy()
  // With an error, and with a failure of this file where nobody listens for that.
  assert.equal(await within(closed), true)
})

test('disposing what graceful() gave leaves the server as it was, and the app without it', async (t) => {
  const app = createApp()
  const server = createServer(done)
  const names = ['request', 'connection', 'listening', 'close', 'newListener', 'upgrade']
  const count = (): number[] => names.map((name) => server.listenerCount(name))
  const before = count()
  const attached = graceful(app, server)
  assert.notDeepEqual(count(), before)
  t.after(() => server.close())
  await once(server.listen(0, host), 'listening')
  await attached[Symbol.asyncDispose]()
  assert.deepEqual(count(), before)
  assert.equal(Object.hasOwn(server, 'closeIdleConnections'), false)
  assert.equal(Object.hasOwn(server, Symbol.asyncDispose), false)
  assert.deepEqual(app.inspect().resources, [])
  await within(app.shutdown())
  assert.ok(server.listening)
})

test('a server that is attached in a lame duck closes at its end, and one that was detached by then does not', async (t) => {
  const app = createApp()
  const hurry = new AbortController()
  const shutdown = app.shutdown({ lameDuck: 60_000, signal: hurry.signal })
  const [attached, detached] = [createServer(scoped(app, done)), createServer(done)]
  t.after(() => detached.close())
  const undo = graceful(app, detached, { linger: 0 })
  await once(detached.listen(0, host), 'listening')
  const listening = await listen(app, attached, { port: 0, host, linger: 0 })
  const { headers, body } = await ask(listening, '/', { headers: { Connection: 'keep-alive' } })
  assert.deepEqual([body, headers.connection], ['done', 'close'])
  await undo[Symbol.asyncDispose]()
  hurry.abort()
  assert.deepEqual((await within(shutdown)).errors, [])
  assert.equal(attached.listening, false)
  assert.equal(detached.listening, true)
})

test('a server can listen again after it was closed', async () => {
  await using app = createApp()
  const server = createServer(scoped(app, done))
  graceful(app, server, { linger: 0 })
  for (let i = 0; i < 3; i += 1) {
    await once(server.listen(0, host), 'listening')
    const { port } = server.address() as AddressInfo
    const { headers, body } = await ask({ port }, '/', { headers: { Connection: 'keep-alive' } })
    assert.equal(body, 'done')
    assert.equal(headers.connection, 'keep-alive')
    const closed = once(server, 'close')
    server.close()
    await within(closed)
  }
})

test('what is no app, no port, no option is refused by name', async () => {
  await using app = createApp()
  const server = createServer()
  // @ts-expect-error -- as from JavaScript
  assert.throws(() => graceful({}, server), /the first argument of graceful\(\)/)
  // @ts-expect-error -- as from JavaScript
  assert.throws(() => graceful(app, server, { grace: 1 }), /grace/)
  assert.throws(() => graceful(app, server, { linger: -1 }), /linger/)
  for (const options of [{ port: 70_000 }, { port: -1 }, { port: 1.5 }, { port: 0, linger: NaN }]) {
    assert.ok((await rejection(listen(app, server, options))) instanceof TypeError)
  }
  await app.close()
  const late = (await rejection(listen(app, server, { port: 0 }))) as NodeJS.ErrnoException
  assert.equal(late.code, 'ERR_SCOPE_CLOSED')
  assert.equal(server.listening, false)
})

test('who counts the listeners of a server finds none that only listens beside others', async () => {
  await using app = createApp()
  const server = createServer()
  const own = (): void => {}
  server.on('upgrade', own)
  await using _ = await listen(app, server, { port: 0 })
  assert.deepEqual(
    ['upgrade', 'connect', 'checkContinue'].map((event) => server.listenerCount(event)),
    [1, 0, 0],
  )
  assert.deepEqual(
    [server.listenerCount('upgrade', own), server.listenerCount('close', own)],
    [1, 0],
  )
})
