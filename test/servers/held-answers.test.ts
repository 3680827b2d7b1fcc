/** Handlers that write by themselves, told to close at the answer: what they end is not sent before the scope closed. */
import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { describe, test } from 'node:test'
import express from 'express'
import { currentScope, type App } from 'unwind'
import { expressScope } from 'unwind/express'
import { scoped, type AdapterOptions } from 'unwind/http'

import { ask, Peer } from './support/client.ts'
import { opened, type Opened } from './support/kinds.ts'
import { turn } from './support/scoped-site.ts'
import { Site } from './support/site.ts'

type Listener = (request: IncomingMessage, response: ServerResponse) => unknown
type Make = (app: App, listener: Listener, options: AdapterOptions) => Opened

const ways: Readonly<Record<string, Make>> = {
  'scoped, an async listener': (app, listener, options) =>
    opened(createServer(scoped(app, async (...given) => listener(...given), options))),
  'scoped, a listener whose end nobody sees': (app, listener, options) =>
    opened(createServer(scoped(app, (...given) => void listener(...given), options))),
  'a route of Express': (app, listener, options) => {
    const server = express().set('env', 'test')
    server.use(expressScope(app, options))
    server.use(async (request, response) => {
      await listener(request, response)
    })
    return opened(createServer(server))
  },
}

const notCommitted = new Error('not committed')

function serve(make: Make, listener: Listener): Promise<Site> {
  const open = (app: App): Opened => make(app, watched, { closeAt: 'answer' })
  let site: Site | undefined
  const watched: Listener = (request, response) => {
    site?.watch()
    return listener(request, response)
  }
  return Site.serve({ open }, async () => ({})).then((made) => (site = made))
}

for (const [way, make] of Object.entries(ways)) {
  describe(way, () => {
    test('what is held back has ended for whoever wrote it, and for Node.js when it is sent', async () => {
      const said: unknown[] = []
      await using site = await serve(make, (_request, response) => {
        said.push(response.writableEnded)
        response.end('whole')
        said.push(response.writableEnded)
        response.once('finish', () => said.push(Object.hasOwn(response, 'writableEnded')))
      })
      assert.equal((await ask(site, '/')).body, 'whole')
      await site.outcomes()
      assert.deepEqual(said, [false, true, false])
    })

    test('a commit that fails is an error response', async () => {
      await using site = await serve(make, (_request, response) => {
        currentScope().defer(() => {
          throw notCommitted
        })
        response.setHeader('set-cookie', 'paid=yes').end('paid')
      })
      const { status, headers, body } = await ask(site, '/')
      assert.deepEqual([status, headers['set-cookie']], [500, undefined])
      assert.doesNotMatch(body, /paid/)
      assert.deepEqual(site.reported, [notCommitted])
    })

    test('nothing of what is ended at once is sent before everything is released, and then all of it', async () => {
      const released = Promise.withResolvers<void>()
      await using site = await serve(make, (_request, response) => {
        currentScope().defer(() => released.promise)
        response.end('paid')
        // A second time, as some do to be sure.
        response.end()
      })
      using peer = await Peer.connect(site)
      peer.get('/')
      while (site.app.inspect().children[0]?.state !== 'closing') await turn()
      for (let turns = 0; turns < 10; turns += 1) await turn()
      assert.equal(peer.received, '')
      released.resolve()
      await peer.until('\r\n\r\npaid')
      assert.match(peer.received, /^HTTP\/1\.1 200 .*Content-Length: 4/s)
      assert.deepEqual(await site.statuses(), ['success'])
    })

    test('an answer that had begun is cut off where its commit fails', async () => {
      await using site = await serve(make, (_request, response) => {
        currentScope().defer(() => {
          throw notCommitted
        })
        response.write('one,')
        setImmediate(() => response.end('two'))
      })
      using peer = await Peer.connect(site)
      peer.get('/')
      await peer.closed
      assert.match(peer.received, /one,/)
      assert.doesNotMatch(peer.received, /\r\n0\r\n/)
    })

    test('an end that Node.js refuses is an error response', async () => {
      await using site = await serve(make, async (_request, response) => {
        await turn()
        // What no type allows.
        response.end(1 as unknown as string)
      })
      assert.equal((await ask(site, '/')).status, 500)
      assert.match(String(site.reported), /^TypeError/)
    })

    for (const [how, end] of [
      ['pipeline()', (response: ServerResponse) => pipeline(Readable.from(['pa', 'id']), response)],
      [
        'its event',
        async (response: ServerResponse) => {
          response.end('paid')
          await once(response, 'finish')
        },
      ],
      [
        'the callback of its end',
        (response: ServerResponse) =>
          new Promise<void>((resolve) => {
            response.end('paid', resolve)
          }),
      ],
    ] as const) {
      test(`an answer whose handler waits for ${how} is sent once everything is released`, async () => {
        const events: string[] = []
        await using site = await serve(make, async (_request, response) => {
          currentScope().defer(({ status }) => void events.push(status))
          await end(response)
          events.push('sent')
        })
        const { status, body } = await ask(site, '/')
        assert.deepEqual([status, body], [200, 'paid'])
        assert.deepEqual(events, ['success', 'sent'])
      })
    }

    for (const [how, tell] of [
      ['set', (response: ServerResponse) => void response.setHeader('Content-Length', 7)],
      ['sent', (response: ServerResponse) => void response.writeHead(200, ['Content-Length', '7'])],
    ] as const) {
      test(`so is one whose length was ${how} before, of which all bytes are written`, async () => {
        await using site = await serve(make, async (_request, response) => {
          currentScope().defer(() => {
            throw notCommitted
          })
          tell(response)
          response.write('one,')
          response.write('')
          await new Promise((resolve) => {
            response.write('dHdv', 'base64', resolve)
          })
          response.end()
        })
        using peer = await Peer.connect(site)
        peer.get('/')
        await peer.closed
        assert.match(peer.received, /\r\n\r\none,(tw)?$/)
      })
    }

    test('bytes beyond the length that was told come in their order', async () => {
      await using site = await serve(make, (_request, response) => {
        response.setHeader('Content-Length', 4)
        response.write(Buffer.from('one,'))
        response.write('two,')
        response.end('three')
      })
      using peer = await Peer.connect(site)
      peer.get('/')
      await peer.until('one,two,three')
    })
  })
}

test('a listener that fails after its answer is answered with that', async () => {
  const make = ways['scoped, an async listener']
  assert.ok(make)
  await using site = await serve(make, (_request, response) => {
    response.end('done')
    throw Object.assign(new Error('no'), { status: 418 })
  })
  const { status, body } = await ask(site, '/')
  assert.equal(status, 418)
  assert.doesNotMatch(body, /done/)
  assert.deepEqual(await site.statuses(), ['failure'])
})
