import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { describe, test } from 'node:test'

import { fastify } from 'fastify'
import { createApp, currentScope } from 'unwind'
import { fastifyScope } from 'unwind/fastify'
import { scoped } from 'unwind/http'

import { ask, Peer } from './support/client.ts'
import { openHandled } from './support/handled-site.ts'
import { plainKinds } from './support/kinds.ts'
import { openScoped, turn, untilAborted } from './support/scoped-site.ts'
import { Site } from './support/site.ts'

for (const kind of plainKinds) {
  describe(`a request with ${kind.name}`, () => {
    test('is aborted when the server cuts its connections', async () => {
      const running = Promise.withResolvers<void>()
      await using site = await Site.serve(kind, async ({ scope }) => {
        running.resolve()
        return untilAborted(scope)
      })
      using peer = await Peer.connect(site)
      peer.get('/')
      await running.promise
      site.server.closeAllConnections()
      assert.deepEqual(await site.statuses(), ['aborted'])
      assert.deepEqual(site.reported, [])
    })

    test('is aborted when its socket has been idle for longer than the server allows', async () => {
      await using site = await Site.serve(kind, async ({ scope, request }) => {
        request.socket.setTimeout(30)
        return untilAborted(scope)
      })
      using peer = await Peer.connect(site)
      peer.get('/')
      await peer.closed
      assert.deepEqual(await site.statuses(), ['aborted'])
    })

    test('closes once, whether its client leaves just before, with or just after its answer', async () => {
      await using site = await Site.serve(kind, async ({ path }) => {
        for (let turns = Number(path.slice(1)); turns > 0; turns -= 1) await turn()
        return { body: 'done' }
      })
      for (let round = 0; round < 60; round += 1) {
        using peer = await Peer.connect(site)
        peer.get(`/${round % 6}`)
        for (let turns = round % 10; turns > 0; turns -= 1) await turn()
        peer.reset()
        await peer.closed
      }
      // The last of them may not have been begun.
      await turn()
      for (const status of await site.statuses()) assert.match(status, /success|aborted/)
    })

    test('whose events end with its client lets go of it at once, however long it was open', async () => {
      await using site = await Site.serve(kind, async ({ scope }) => ({
        body: (async function* events() {
          for (;;) {
            yield 'data: tick\n\n'
            await new Promise<void>((resolve) => {
              const timer = setTimeout(resolve, 3_600_000)
              scope.signal.addEventListener('abort', () => {
                clearTimeout(timer)
                resolve()
              })
            })
            if (scope.signal.aborted) return
          }
        })(),
      }))
      using peer = await Peer.connect(site)
      peer.get('/')
      await peer.until('tick')
      assert.equal(site.watched[0]?.scope.state, 'open')
      peer.reset()
      assert.deepEqual(await site.statuses(), ['aborted'])
    })
  })
}

describe('a client that shuts its side down and reads on', () => {
  test('has left, as Node.js has it by default', async () => {
    const running = Promise.withResolvers<void>()
    await using site = await openScoped(async () => {
      running.resolve()
      await untilAborted(currentScope())
    })
    using peer = await Peer.connect(site, true)
    peer.get('/')
    await running.promise
    peer.socket.end()
    assert.deepEqual(await site.statuses(), ['aborted'])
  })

  test('gets its answer where the server allows that', async () => {
    const running = Promise.withResolvers<void>()
    const ended = Promise.withResolvers<void>()
    await using site = await openScoped(async (_request, response) => {
      running.resolve()
      await ended.promise
      response.end('late answer')
    })
    // An option of the server that its types do not have.
    Object.assign(site.server, { httpAllowHalfOpen: true })
    using peer = await Peer.connect(site, true)
    peer.get('/')
    await running.promise
    peer.socket.end()
    await turn()
    ended.resolve()
    await peer.until('late answer')
    assert.deepEqual(await site.statuses(), ['success'])
  })
})

describe('a request that never reaches its listener', () => {
  test('has no scope: one more than a connection may send', async () => {
    const server = createServer()
    server.maxRequestsPerSocket = 1
    let calls = 0
    await using site = await Site.open(
      (made) =>
        scoped(made.app, (_request, response) => {
          made.watch()
          calls += 1
          response.end('served')
        }),
      server,
    )
    using peer = await Peer.connect(site)
    const dropped = once(server, 'dropRequest')
    peer.get('/')
    peer.get('/')
    await dropped
    await peer.until('served')
    assert.equal(calls, 1)
  })

  test('has no scope: one that is malformed', async () => {
    await using site = await openScoped((_request, response) => response.end())
    using peer = await Peer.connect(site)
    peer.socket.write('NOT HTTP\r\n\r\n')
    await peer.closed
    assert.match(peer.received, /400 Bad Request/)
    assert.equal(site.watched.length, 0)
  })
})

describe('a handler of Fastify whose time is over by the clock of Fastify', () => {
  test('is answered by that, and its scope waits for it', async () => {
    const app = createApp()
    const server = fastify({ handlerTimeout: 20 })
    await server.register(fastifyScope, { app })
    const settle = Promise.withResolvers<void>()
    const states: string[] = []
    server.get('/', async ({ scope }) => {
      scope.defer(() => states.push('released'))
      await settle.promise
      states.push(scope.state)
      return 'late'
    })
    await server.listen({ port: 0, host: '127.0.0.1' })
    const { port } = server.server.address() as { port: number }
    assert.equal((await ask({ port }, '/')).status, 503)
    settle.resolve()
    while (app.inspect().children.length > 0) await turn()
    assert.deepEqual(states, ['open', 'released'])
    await server.close()
  })
})

test('an onError that takes its time is told of a timeout once, though the handler heeds its abort meanwhile', async () => {
  const told: unknown[] = []
  const failed = Promise.withResolvers<void>()
  const onError = async (error: unknown, response: ServerResponse): Promise<void> => {
    told.push(error)
    await failed.promise
    await turn()
    response.writeHead(504).end('mine')
  }
  await using site = await openHandled(
    async (_request, _response, scope) => {
      scope.defer(() => failed.resolve())
      return untilAborted(scope)
    },
    { timeout: 10, onError: (error, response) => onError(error, response) as never },
  )
  const { status, body } = await ask(site, '/')
  assert.deepEqual([status, body], [504, 'mine'])
  await turn()
  assert.equal(told.length, 1)
  assert.deepEqual(site.reported, [])
})
