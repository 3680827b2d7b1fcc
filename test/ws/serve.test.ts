/** A scope for each socket: what opens it, what closes it, and what the peer and the app are told. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { once } from 'node:events'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { createApp, currentScope, type Exit, type Scope } from 'unwind'
import { serveSockets, type Socket } from 'unwind/ws'
import { WebSocket } from 'ws'

import { isPending, quiet, rejection, within } from '../core/support/promises.ts'
import { closeOf, next, openClient, openServer } from './support/peers.ts'
import { Service } from './support/service.ts'

async function echo(socket: Socket): Promise<void> {
  for await (const message of socket) await socket.send(message)
}

function statuses(exits: readonly Exit[]): string[] {
  return exits.map(({ status }) => status)
}

/** The code of a reason, an error, or a cause. */
function codeOf(error: unknown): unknown {
  return (error as NodeJS.ErrnoException | undefined)?.code
}

test('each socket has a request scope of its own, ambient in its handler, named after its path', async (t) => {
  await using service = await Service.open(t, async (socket, scope, request) => {
    assert.equal(currentScope(), scope)
    assert.equal(scope.kind, 'request')
    await socket.send(`${scope.name} | ${request.url}`)
    for await (const message of socket) {
      assert.equal(currentScope(), scope)
      await socket.send(message)
    }
    assert.equal(currentScope(), scope)
  })
  await using one = await service.connect('/orders?customer=7')
  await using other = await service.connect('/feed')
  assert.equal(await next(one), 'WS /orders | /orders?customer=7')
  assert.equal(await next(other), 'WS /feed | /feed')
  await one.send('echo')
  assert.equal(await next(one), 'echo')
  assert.notEqual(service.watched[0]?.scope, service.watched[1]?.scope)
})

test('after a clean close the iteration just ends, and what the handler returns is a success', async (t) => {
  const heard: unknown[] = []
  await using service = await Service.open(t, async (socket, scope) => {
    for await (const message of socket) heard.push(message)
    assert.equal(scope.signal.aborted, false)
    assert.ok(socket.signal.aborted)
  })
  for (const code of [1000, 1001, 4000]) {
    const peer = await service.connect()
    await peer.send('hello')
    assert.ok((await within(peer.close(code))).clean)
  }
  const client = openClient(t, service.server)
  await within(once(client, 'open'))
  // Without a code, which is 1005 on the other side.
  client.close()
  await closeOf(client)
  assert.deepEqual(statuses(await service.exits()), Array(4).fill('success'))
  assert.deepEqual(heard, ['hello', 'hello', 'hello'])
  assert.deepEqual(service.reported, [])
})

test('a peer that breaks off aborts the scope, and ends the iteration with the same error', async (t) => {
  const ended = Promise.withResolvers<[unknown, unknown]>()
  await using service = await Service.open(t, async (socket, scope) => {
    try {
      await echo(socket)
    } catch (error) {
      ended.resolve([error, scope.signal.reason])
      throw error
    }
  })
  const client = openClient(t, service.server)
  await within(once(client, 'open'))
  client.terminate()
  const [error, reason] = await within(ended.promise)
  assert.equal(codeOf(error), 'ERR_CLIENT_DISCONNECTED')
  assert.equal(reason, error)
  const [exit] = await service.exits()
  assert.equal(exit?.status, 'aborted')
  assert.equal(exit?.status === 'aborted' && exit.reason, error)
  assert.deepEqual(service.reported, [], 'nobody needs to be told')
})

test('a handler that does not read learns from its signal, in the context of its scope', async (t) => {
  await using service = await Service.open(t, async (_socket, scope) => {
    await new Promise<void>((_resolve, reject) => {
      scope.signal.addEventListener('abort', () => {
        assert.equal(currentScope(), scope)
        reject(scope.signal.reason)
      })
    })
  })
  const client = openClient(t, service.server)
  await within(once(client, 'open'))
  client.terminate()
  while (service.watched.length === 0) await quiet()
  assert.deepEqual(statuses(await service.exits()), ['aborted'])
})

test('a loop that waits for a message ends with the reason where a task fails, or somebody aborts', async (t) => {
  const reason = new Error('enough')
  const aborting = (scope: Scope): void => scope.abort(reason)
  const failing = (scope: Scope): void => void scope.fork(() => Promise.reject(reason))
  for (const stop of [aborting, failing]) {
    const ended = Promise.withResolvers<unknown>()
    await using service = await Service.open(t, async (socket, scope) => {
      stop(scope)
      await echo(socket).catch((error: unknown) => {
        ended.resolve(error)
        throw error
      })
    })
    const peer = await service.connect()
    assert.equal(await within(ended.promise), reason)
    assert.equal((await within(peer.closed)).code, 1011)
    assert.deepEqual(service.reported, stop === failing ? [reason] : [])
  }
})

test('a missed heartbeat aborts the scope', async (t) => {
  await using service = await Service.open(t, echo, { heartbeat: 20 })
  const client = openClient(t, service.server, { autoPong: false })
  assert.deepEqual(await closeOf(client), [1006, ''])
  const [exit] = await service.exits()
  assert.equal(exit?.status === 'aborted' && codeOf(exit.reason), 'ERR_CLIENT_DISCONNECTED')
})

test('a handler that throws what cannot be looked at is no other', async (t) => {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  await using service = await Service.open(t, () => Promise.reject(proxy))
  const peer = await service.connect()
  assert.equal((await within(peer.closed)).code, 1011)
  assert.ok(service.reported[0] === proxy)
})

test('a handler that returns closes with 1000, after its scope', async (t) => {
  const released = Promise.withResolvers<void>()
  await using service = await Service.open(t, async (socket, scope) => {
    scope.defer(() => released.promise)
    await socket.send('bye')
  })
  const peer = await service.connect()
  assert.equal(await next(peer), 'bye')
  assert.ok(await isPending(peer.closed))
  released.resolve()
  assert.deepEqual(await within(peer.closed), { code: 1000, reason: '', clean: true })
})

test('a handler that throws closes with 1011, and its error is told to the app', async (t) => {
  for (const handler of [
    () => {
      throw new Error('at once')
    },
    () => Promise.reject(new Error('later')),
  ]) {
    await using service = await Service.open(t, handler)
    const peer = await service.connect()
    assert.deepEqual(await within(peer.closed), { code: 1011, reason: '', clean: true })
    assert.deepEqual(statuses(await service.exits()), ['failure'])
    const [error, ...others] = service.reported
    assert.match(String(error), /at once|later/)
    assert.deepEqual(others, [])
  }
})

test('nor is its error lost where it was announced before, or came from a task whose scope the handler closed', async (t) => {
  const error = new Error('out of paper')
  const announcing = (_socket: Socket, scope: Scope): void => {
    scope.fail(error)
    throw error
  }
  const closing = async (_socket: Socket, scope: Scope): Promise<void> => {
    void scope.fork(() => Promise.reject(error))
    await scope.close()
  }
  for (const handler of [announcing, closing]) {
    await using service = await Service.open(t, handler)
    const peer = await service.connect()
    assert.equal((await within(peer.closed)).code, 1011)
    assert.deepEqual(service.reported, [error])
  }
})

test('a handler that returns while its release fails closes with 1011', async (t) => {
  await using service = await Service.open(t, (_socket, scope) => {
    scope.defer(() => {
      throw new Error('the commit failed')
    })
  })
  const peer = await service.connect()
  assert.equal((await within(peer.closed)).code, 1011)
  assert.match(String(service.reported[0]), /the commit failed/)
})

test('a handler that closes the socket itself decides code and reason', async (t) => {
  await using service = await Service.open(t, async (socket) => {
    await socket.close(4003, 'not for you')
  })
  const peer = await service.connect()
  assert.deepEqual(await within(peer.closed), { code: 4003, reason: 'not for you', clean: true })
  assert.deepEqual(statuses(await service.exits()), ['success'])
})

test('an answer to a peer that is gone is no news', async (t) => {
  const gate = Promise.withResolvers<void>()
  await using service = await Service.open(t, async (socket) => {
    await gate.promise
    await socket.send('too late')
  })
  const peer = await service.connect()
  await within(peer.close())
  gate.resolve()
  assert.deepEqual(statuses(await service.exits()), ['failure'])
  assert.deepEqual(service.reported, [])
})

test('nor is what waited with the signal of the socket, in the handler or in a task', async (t) => {
  const wait = ({ signal }: Socket): Promise<void> => pause(60_000, undefined, { signal })
  for (const handler of [
    wait,
    async (socket: Socket, scope: Scope) => {
      void scope.fork(() => wait(socket))
      await echo(socket)
    },
    async (socket: Socket, scope: Scope) => {
      void scope.fork(async () => await socket.closed.then(() => socket.send('too late')))
      await echo(socket)
    },
  ]) {
    await using service = await Service.open(t, handler)
    const peer = await service.connect()
    while (service.watched.length === 0) await quiet()
    await within(peer.close())
    assert.deepEqual(statuses(await service.exits()), ['failure'])
    assert.deepEqual(service.reported, [])
  }
})

test('an upgrade that is refused opens no scope', async (t) => {
  for (const refusal of [401, 503] as const) {
    const server = {
      verifyClient: (_info: unknown, answer: (ok: boolean, status: number) => void) =>
        answer(false, refusal),
    }
    await using service = await Service.open(t, echo, { server })
    const error = (await rejection(service.connect())) as Error
    assert.match(error.message, new RegExp(String(refusal)))
    assert.equal(service.watched.length, 0)
    assert.deepEqual(service.app.inspect().children, [])
  }
})

test('what is no app, no handler, no option is refused by name', async (t) => {
  const server = await openServer(t)
  await using app = createApp()
  // @ts-expect-error -- as from JavaScript
  assert.throws(() => serveSockets({}, server, echo), /the first argument of serveSockets\(\)/)
  // @ts-expect-error -- as from JavaScript
  assert.throws(() => serveSockets(app, server), /the handler given to serveSockets\(\)/)
  // @ts-expect-error -- as from JavaScript
  assert.throws(() => serveSockets(app, server, echo, { name: 1 }), /"?name"?/)
  // @ts-expect-error -- as from JavaScript
  assert.throws(() => serveSockets(app, {}, echo), /the second argument of serveSockets\(\)/)
  const client = WebSocket.prototype as never
  assert.throws(() => serveSockets(app, client, echo), /a WebSocketServer of ws.*received/)
  assert.throws(
    // @ts-expect-error -- its connections are of another kind
    () => serveSockets(app, createServer(), echo),
    /a WebSocketServer of ws, such as .*received an instance of Server/,
  )
  await app.close()
  assert.throws(() => serveSockets(app, server, echo), { code: 'ERR_SCOPE_CLOSED' })
  assert.equal(server.listenerCount('connection'), 0)
})

test('a server is served by one handler: a second one would close its sockets', async (t) => {
  await using service = await Service.open(t, echo)
  const { app, server } = service
  const wanted = /the WebSocketServer given to serveSockets\(\) to be served once/
  assert.throws(() => serveSockets(app, server, echo), wanted)
  await using peer = await service.connect()
  await peer.send('hello')
  assert.equal(await next(peer), 'hello')
})
