import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, request as send, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { describe, test } from 'node:test'

import { createApp, currentScope, tryCurrentScope, type Scope } from 'unwind'
import { scoped } from 'unwind/http'

import { ask, Peer } from './support/client.ts'
import { openScoped, turn } from './support/scoped-site.ts'
import { Site } from './support/site.ts'

describe('a request with scoped()', () => {
  test('has a scope of its own, named after method and path, that succeeds with its handler', async () => {
    await using site = await openScoped(async (_request, response) => {
      await turn()
      response.end(JSON.stringify({ scope: currentScope().name, kind: currentScope().kind }))
    })
    const answer = await ask(site, '/orders/7?full=1')
    assert.deepEqual(JSON.parse(answer.body), { scope: 'GET /orders/7', kind: 'request' })
    assert.deepEqual(await site.statuses(), ['success'])
  })

  test('is closed before the client can send the next one on its connection', async () => {
    const opening = Site.open((site) =>
      scoped(site.app, (_request: IncomingMessage, response: ServerResponse) => {
        const before = site.watched.filter(({ scope }) => scope.state !== 'closed').length
        site.watch()
        response.end(`${before} open`)
      }),
    )
    await using site = await opening
    using peer = await Peer.connect(site)
    for (const times of [1, 2, 3]) {
      peer.get('/')
      await peer.until('0 open', times)
    }
  })

  test('can be named by the adapter', async () => {
    await using site = await openScoped((_request, response) => response.end(currentScope().name), {
      name: (request) => `shop ${request.url}`,
    })
    assert.equal((await ask(site, '/x')).body, 'shop /x')
  })

  test('that brings a body in late pieces keeps its scope, and is not aborted once that was read', async () => {
    const pieces = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    await using site = await openScoped(async (request, response) => {
      const scope = currentScope()
      let got = ''
      for await (const chunk of request) {
        assert.equal(currentScope(), scope)
        got += chunk
        pieces.shift()?.resolve()
      }
      // The request closes now, which is not the end of its client.
      if (!request.closed) await once(request, 'close')
      await turn()
      assert.equal(scope.signal.aborted, false)
      response.end(got)
    })
    const [first, second] = pieces
    using peer = await Peer.connect(site)
    peer.post('/', 'one', 11)
    await first?.promise
    peer.socket.write(',two')
    await second?.promise
    peer.socket.write(',end')
    await peer.until('one,two,end')
    assert.deepEqual(await site.statuses(), ['success'])
  })

  test('of method HEAD closes its scope, whether the body would be written at once or streamed', async () => {
    await using site = await openScoped((request, response) => {
      if (request.url === '/streamed') Readable.from(['a', 'b']).pipe(response)
      else response.end('not sent')
    })
    assert.equal((await ask(site, '/', { method: 'HEAD' })).body, '')
    assert.equal((await ask(site, '/streamed', { method: 'HEAD' })).body, '')
    assert.deepEqual(await site.statuses(), ['success', 'success'])
  })

  for (const status of [404, 405, 413]) {
    test(`that is answered with ${status} succeeds: an answer is no failure`, async () => {
      await using site = await openScoped((_request, response) => response.writeHead(status).end())
      assert.equal((await ask(site, '/')).status, status)
      assert.deepEqual(await site.statuses(), ['success'])
    })
  }

  test('may be given early hints before its answer', async () => {
    await using site = await openScoped((_request, response) => {
      response.writeEarlyHints({ link: '</style.css>; rel=preload' })
      response.end('done')
    })
    assert.equal((await ask(site, '/')).body, 'done')
    assert.deepEqual(await site.statuses(), ['success'])
  })

  test('that expects 100-continue is served, by the default and by a listener of its own', async () => {
    await using site = await openScoped(async (request, response) => {
      if (request.listenerCount('never') === 0) response.writeContinue()
      response.end(await text(request))
    })
    for (const own of [false, true]) {
      if (own) site.server.on('checkContinue', site.server.listeners('request').at(-1) as never)
      const request = send({ port: site.port, method: 'POST', headers: { expect: '100-continue' } })
      request.flushHeaders()
      await once(request, 'continue')
      request.end('body')
      const [response] = await once(request, 'response')
      assert.equal(await text(response), 'body')
      request.destroy()
    }
    assert.deepEqual(await site.statuses(), ['success', 'success'])
  })

  test('whose expectation the server cannot meet gets 417 and no scope', async () => {
    await using site = await openScoped((_request, response) => response.end())
    const answer = await ask(site, '/', { headers: { expect: 'a miracle' } })
    assert.equal(answer.status, 417)
    assert.equal(site.watched.length, 0)
  })

  test('whose handler returns no promise and answers from a timer keeps its scope until then', async () => {
    await using site = await openScoped((_request, response) => {
      const scope = currentScope()
      setTimeout(() => response.end(scope.state), 5)
    })
    assert.equal((await ask(site, '/')).body, 'open')
    assert.deepEqual(await site.statuses(), ['success'])
  })

  test('whose handler fulfils and answers later keeps its scope until all bytes were produced', async () => {
    await using site = await openScoped(async (_request, response) => {
      const scope = currentScope()
      setTimeout(() => response.end(scope.state), 5)
    })
    assert.equal((await ask(site, '/')).body, 'open')
    assert.deepEqual(await site.statuses(), ['success'])
  })

  test('closes with its handler where that is told by closeAt: answer', async () => {
    await using site = await openScoped(
      async (_request, response) => {
        const scope = currentScope()
        setTimeout(() => response.end(scope.state), 5)
      },
      { closeAt: 'answer' },
    )
    assert.equal((await ask(site, '/')).body, 'closed')
  })

  test('waits for work after the answer that its handler awaits, or that it forked', async () => {
    const done: string[] = []
    await using site = await openScoped(async (request, response) => {
      const scope = currentScope()
      response.end()
      const work = async (): Promise<void> => {
        await turn()
        done.push(`${request.url} ${scope.state}`)
      }
      if (request.url === '/forked') void scope.fork(work)
      else await work()
    })
    await ask(site, '/awaited')
    await ask(site, '/forked')
    await site.outcomes()
    assert.deepEqual(done, ['/awaited open', '/forked draining'])
  })

  test('refuses work after its end with ERR_SCOPE_CLOSED, without a crash', async () => {
    const late = Promise.withResolvers<unknown>()
    await using site = await openScoped((_request, response) => {
      const scope = currentScope()
      response.end()
      const afterwards = async (): Promise<void> => {
        await scope.close()
        void scope.fork(() => {})
      }
      late.resolve(afterwards().catch((error: unknown) => error))
    })
    await ask(site, '/')
    assert.equal(((await late.promise) as { code: string }).code, 'ERR_SCOPE_CLOSED')
  })

  test('leaves no scope in the context of the server', async () => {
    const around: (Scope | undefined)[] = []
    await using site = await openScoped((_request, response) => response.end())
    site.server.prependListener('request', () => around.push(tryCurrentScope()))
    site.server.on('request', () => around.push(tryCurrentScope()))
    await ask(site, '/')
    assert.deepEqual(around, [undefined, undefined])
  })

  test('is refused with 503 and without its handler once the app has closed', async () => {
    const app = createApp()
    let calls = 0
    await using server = createServer(scoped(app, () => (calls += 1))).listen(0, '127.0.0.1')
    await once(server, 'listening')
    await app.close()
    const answer = await ask(server.address() as AddressInfo, '/')
    assert.deepEqual([answer.status, answer.headers.connection, calls], [503, 'close', 0])
  })

  test('whose name cannot be found is answered with 500, and reported to the app', async () => {
    await using site = await openScoped((_request, response) => response.end(), {
      name: () => {
        throw new Error('no name')
      },
    })
    assert.equal((await ask(site, '/')).status, 500)
    assert.deepEqual(site.reported.map(String), ['Error: no name'])
  })
})

function listener(): void {}

describe('scoped()', () => {
  test('calls its listener as the server would: with the server as this, whatever methods it has', async () => {
    const app = createApp()
    const receivers: unknown[] = []
    // As an Express app, whose bind() and call() are routes.
    const likeExpress = Object.assign(
      function (this: unknown, _request: IncomingMessage, response: ServerResponse) {
        receivers.push(this)
        response.end()
      },
      { bind: undefined, call: undefined, apply: undefined },
    )
    await using server = createServer(scoped(app, likeExpress)).listen(0, '127.0.0.1')
    await once(server, 'listening')
    await ask(server.address() as AddressInfo, '/')
    assert.deepEqual(receivers, [server])
    await app.close()
  })

  test('checks what it is given at the door', () => {
    const app = createApp()
    assert.throws(() => scoped(undefined as never, listener), /first argument of scoped\(\)/)
    assert.throws(() => scoped(app, 'listener' as never), /listener given to scoped\(\)/)
    assert.throws(() => scoped(app, listener, { timeout: -1 }), /`timeout` of scoped\(\)/)
    assert.throws(() => scoped(app, listener, { closeAt: 'end' as never }), /`closeAt` of scoped/)
    assert.throws(() => scoped(app, listener, { abandon: 1 } as never), /Unknown option `abandon`/)
    assert.throws(() => scoped(app, listener, { onError: () => {} } as never), /Unknown option/)
  })
})
