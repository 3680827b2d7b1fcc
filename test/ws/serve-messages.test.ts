/** What a handler does with its messages: one after the other, each in a scope of its own where it wants one. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { currentScope, input, resource, type Exit, type Scope } from 'unwind'
import type { Socket } from 'unwind/ws'
import { WebSocketServer } from 'ws'

import { within } from '../core/support/promises.ts'
import { next, openClient } from './support/peers.ts'
import { Service } from './support/service.ts'

async function echo(socket: Socket): Promise<void> {
  for await (const message of socket) await socket.send(message)
}

function statuses(exits: readonly Exit[]): string[] {
  return exits.map(({ status }) => status)
}

test('messages that come before the handler reads are kept for it', async (t) => {
  const gate = Promise.withResolvers<void>()
  await using service = await Service.open(t, async (socket) => {
    await gate.promise
    await echo(socket)
  })
  await using peer = await service.connect()
  for (const text of ['1', '2', '3']) await peer.send(text)
  gate.resolve()
  for (const text of ['1', '2', '3']) assert.equal(await next(peer), text)
})

test('a handler at work when the peer says goodbye may finish', async (t) => {
  const gate = Promise.withResolvers<void>()
  await using service = await Service.open(t, async (socket, scope) => {
    for await (const _message of socket) {
      await gate.promise
      scope.signal.throwIfAborted()
    }
  })
  const peer = await service.connect()
  await peer.send('an order')
  await within(peer.close())
  const scope = service.watched[0]?.scope
  assert.equal(scope?.state, 'open')
  gate.resolve()
  assert.deepEqual(statuses(await service.exits()), ['success'])
})

test('of 1,000 messages each has a scope of its own, a child, whose resources are released in reverse order', async (t) => {
  const log: string[] = []
  const count = { opened: 0 }
  const connection = resource({
    name: 'connection',
    lifetime: 'scope',
    acquire: () => ++count.opened,
    release: (n) => void log.push(`connection ${n}`),
  })
  await using service = await Service.open(t, async (socket, scope) => {
    for await (const message of socket) {
      await scope.run({ name: `message ${String(message)}` }, async (own) => {
        assert.equal(currentScope(), own)
        own.defer(() => void log.push(`first ${String(message)}`))
        await own.get(connection)
        own.defer(() => void log.push(`last ${String(message)}`))
      })
    }
    log.push('end')
  })
  const peer = await service.connect()
  for (let i = 1; i <= 1_000; i += 1) await peer.send(String(i))
  await within(peer.close())
  await service.exits()
  const expected = Array.from({ length: 1_000 }, (_, i) => [
    `last ${i + 1}`,
    `connection ${i + 1}`,
    `first ${i + 1}`,
  ])
  assert.deepEqual(log, [...expected.flat(), 'end'])
})

test('a request resource belongs to its socket, and is shared by its messages', async (t) => {
  const session = resource({ name: 'session', acquire: () => ({ seen: 0 }) })
  await using service = await Service.open(t, async (socket, scope) => {
    for await (const _message of socket) {
      await scope.run(async (own) => {
        const mine = await own.get(session)
        mine.seen += 1
        await socket.send(String(mine.seen))
      })
    }
  })
  await using one = await service.connect()
  await using other = await service.connect()
  for (const [peer, seen] of [
    [one, '1'],
    [one, '2'],
    [other, '1'],
    [one, '3'],
  ] as const) {
    await peer.send('next')
    assert.equal(await next(peer), seen)
  }
})

test('a message that is being handled when the peer breaks off is aborted with the socket', async (t) => {
  const log: string[] = []
  await using service = await Service.open(t, async (socket, scope) => {
    for await (const message of socket) {
      await scope.run(async (own) => {
        own.defer(({ status }) => void log.push(`${String(message)} ${status}`))
        await socket.send('working')
        await new Promise((_resolve, reject) => {
          own.signal.addEventListener('abort', () => reject(own.signal.reason))
        })
      })
    }
  })
  const client = openClient(t, service.server)
  await within(once(client, 'open'))
  client.send('order')
  await within(once(client, 'message'))
  client.terminate()
  assert.deepEqual(statuses(await service.exits()), ['aborted'])
  assert.deepEqual(log, ['order aborted'])
})

test('what a middleware would provide, the handler provides for its socket', async (t) => {
  const user = input<string>('user')
  const greeting = resource({
    name: 'greeting',
    acquire: ({ get }) => get(user).then((name) => `Hello, ${name}`),
  })
  await using service = await Service.open(t, async (socket, scope, request) => {
    scope.provide(user, String(request.url).slice(1))
    await socket.send(await scope.get(greeting))
  })
  await using ada = await service.connect('/Ada')
  await using bob = await service.connect('/Bob')
  assert.equal(await next(ada), 'Hello, Ada')
  assert.equal(await next(bob), 'Hello, Bob')
})

test('a server without one of its own is served by its upgrades, told of the request or not', async (t) => {
  const http = createServer()
  const server = new WebSocketServer({ noServer: true })
  http.on('upgrade', (request, raw, head) => {
    server.handleUpgrade(request, raw, head, (accepted) => {
      server.emit('connection', accepted, ...(request.url === '/told' ? [request] : []))
    })
  })
  t.after(() => http.close())
  await within(once(http.listen(0, '127.0.0.1'), 'listening'))
  Object.assign(server, { address: () => http.address() })
  await using service = new Service(server, echo)
  for (const path of ['/told', '/untold']) {
    await using peer = await service.connect(path)
    await peer.send('hello')
    assert.equal(await next(peer), 'hello')
  }
  assert.deepEqual(
    service.watched.map(({ scope }) => scope.name),
    ['WS /told', 'WS /'],
  )
})

test('a loop that was left goes on in another one', async (t) => {
  await using service = await Service.open(t, async (socket) => {
    for await (const message of socket) if (message === 'login') break
    await socket.send('welcome')
    await echo(socket)
  })
  await using peer = await service.connect()
  await peer.send('login')
  await peer.send('first')
  assert.equal(await next(peer), 'welcome')
  assert.equal(await next(peer), 'first')
})

test('what the peer said before it broke off is read first', async (t) => {
  const heard: unknown[] = []
  const gate = Promise.withResolvers<void>()
  await using service = await Service.open(t, async (socket) => {
    await gate.promise
    for await (const message of socket) heard.push(message)
  })
  const client = openClient(t, service.server)
  await within(once(client, 'open'))
  client.send('1')
  client.send('2', () => client.terminate())
  while (service.server.clients.size > 0 || service.watched.length === 0) await turn()
  gate.resolve()
  assert.deepEqual(statuses(await service.exits()), ['aborted'])
  assert.deepEqual(heard, ['1', '2'])
})

test('what another socket rejects with because it was closed is told to the app', async (t) => {
  const other = Promise.withResolvers<Socket>()
  await using service = await Service.open(t, async (socket, scope) => {
    if (scope.name === 'WS /other') {
      other.resolve(socket)
      return
    }
    for await (const _message of socket);
    await (await other.promise).send('goodbye')
  })
  await using gone = await service.connect('/other')
  await within(gone.closed)
  await using peer = await service.connect('/peer')
  await within(peer.close())
  assert.deepEqual(statuses(await service.exits()), ['success', 'failure'])
  const [error] = service.reported as NodeJS.ErrnoException[]
  assert.equal(error?.code, 'ERR_SOCKET_CLOSED')
})

test('what several parts of a handler reject with because their socket was closed is no news either', async (t) => {
  const big = 'x'.repeat(200_000)
  const keepSending = async (socket: Socket): Promise<never> => {
    for (;;) await socket.send(big)
  }
  const both = async (socket: Socket, scope: Scope): Promise<void> => {
    scope.defer(() => socket.send('goodbye'))
    await keepSending(socket)
  }
  const tasks = async (socket: Socket, scope: Scope): Promise<void> => {
    for (let i = 0; i < 2; i += 1) void scope.fork(() => keepSending(socket))
    for await (const _message of socket);
  }
  const all = (socket: Socket, scope: Scope): Promise<unknown> =>
    scope.all([() => keepSending(socket), () => keepSending(socket)])
  for (const handler of [both, tasks, all]) {
    for (const leave of ['close', 'terminate'] as const) {
      await using service = await Service.open(t, handler)
      const client = openClient(t, service.server)
      await within(once(client, 'message'))
      client[leave]()
      assert.deepEqual(statuses(await service.exits()), [leave === 'close' ? 'failure' : 'aborted'])
      assert.deepEqual(service.reported, [], `${handler.name}, ${leave}`)
    }
  }
})

test('an error beside them is, and one that is made of nothing', async (t) => {
  const nothing = new AggregateError([], 'nothing')
  const jammed = new Error('The printer is jammed.')
  const releasing = async (socket: Socket, scope: Scope): Promise<void> => {
    scope.defer(() => Promise.reject(jammed))
    await socket.closed
    await socket.send('too late')
  }
  for (const handler of [releasing, () => Promise.reject(nothing)]) {
    await using service = await Service.open(t, handler)
    const peer = await service.connect()
    while (service.watched.length === 0) await turn()
    await within(peer.close())
    await service.exits()
    assert.equal(service.reported.length, 1)
  }
})
