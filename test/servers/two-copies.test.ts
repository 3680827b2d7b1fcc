/** A server with the adapter of one copy of the package, and code on it that uses another: the scope is the same. */
import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { describe, test } from 'node:test'

import { Hono } from 'hono'
import * as core from 'unwind'
import { honoFetch } from 'unwind/hono'
import * as http from 'unwind/http'
import { connect, serveSockets } from 'unwind/ws'

import { bundlePackage, copyPackage } from '../support/copies.ts'
import { ask } from './support/client.ts'
import { Site } from './support/site.ts'
import { next, openServer, urlOf } from '../ws/support/peers.ts'

type Copy = typeof core & typeof http

const module: Copy = { ...core, ...http }
const importCopy = copyPackage()
// The same package each time, hence the same types.
const another = {
  ...((await importCopy('index.js')) as typeof core),
  ...((await importCopy('servers/http.js')) as typeof http),
} satisfies Copy
const commonJs = (await bundlePackage('index.js', 'servers/http.js')) as Copy

const pairs: readonly (readonly [string, Copy, string, Copy])[] = [
  ['the module', module, 'a CommonJS copy', commonJs],
  ['a CommonJS copy', commonJs, 'the module', module],
  ['the module', module, 'another copy of it', another],
  ['another copy of the module', another, 'a CommonJS copy', commonJs],
]

for (const [adapting, outer, using, inner] of pairs) {
  describe(`a server with the adapter of ${adapting}, and ${using} in its handlers`, () => {
    test('has one scope for each request, which closes with what both put into it', async () => {
      assert.notEqual(outer.createApp, inner.createApp)
      const events: string[] = []
      const lease = inner.resource({
        name: 'lease',
        acquire: ({ scope }) => scope.name,
        release: () => events.push('released'),
      })
      const answer = async (): Promise<string> => {
        const scope = inner.currentScope()
        inner.currentScope().defer(({ status }) => events.push(status))
        const name = await inner.inject(lease)
        await new Promise(setImmediate)
        assert.equal(inner.currentScope(), scope)
        assert.equal(outer.currentScope(), scope)
        return `${name} ${await outer.inject(lease)}`
      }
      const app = outer.createApp()
      const listeners = [
        outer.handle(app, answer),
        outer.scoped(app, async (_request: IncomingMessage, response: ServerResponse) =>
          response.end(await answer()),
        ),
      ]
      for (const listener of listeners) {
        // oxlint-disable-next-line no-await-in-loop -- one server after the other
        await using site = await Site.open(() => listener)
        // oxlint-disable-next-line no-await-in-loop
        assert.equal((await ask(site, '/a')).body, 'GET /a GET /a')
      }
      assert.equal(inner.tryCurrentScope(), undefined)
      await app.close()
      assert.deepEqual(events, ['released', 'success', 'released', 'success'])
    })
  })
}

describe('the adapters of one copy', () => {
  test('serve an app of another: a scope under it for each request and each socket', async (t) => {
    const app = another.createApp({ name: 'site' })
    const answer = (): string => core.currentScope().name
    await using site = await Site.open(() => http.handle(app, answer))
    assert.equal((await ask(site, '/a')).body, 'GET /a')

    const deaf = http.handle(app, () => new Promise<string>(() => {}), { timeout: 1 })
    await using silent = await Site.open(() => deaf)
    assert.equal((await ask(silent, '/d')).status, 503)

    const hono = new Hono().get('/b', (context) => context.text(answer()))
    const response = await honoFetch(app, hono)(new Request('http://localhost/b'))
    assert.equal(await response.text(), 'GET /b')

    const server = await openServer(t)
    await using _sockets = serveSockets(app, server, (socket) => socket.send(answer()))
    await using client = await connect(urlOf(server, '/c'))
    assert.equal(await next(client), 'WS /c')
    const { url } = await http.listen(app, createServer(http.handle(app, answer)), { port: 0 })
    assert.equal(await (await fetch(`${url}/e`)).text(), 'GET /e')
    await app.close()
    await assert.rejects(fetch(url))
    const late = await openServer(t)
    assert.throws(() => serveSockets(app, late, () => {}), { code: 'ERR_SCOPE_CLOSED' })
  })
})
