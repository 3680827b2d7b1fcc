/** Where the inspector is: below its path, on servers of every kind, not in production; and what it refuses. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import fs from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import {
  connect as connectHttp2,
  createServer as createHttp2Server,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from 'node:http2'
import { syncBuiltinESMExports } from 'node:module'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { describe, test } from 'node:test'
import express from 'express'
import { createApp } from 'unwind'
import { listen } from 'unwind/http'
import { inspector } from 'unwind/inspector'
import { elsewhere, Site } from './support/site.ts'

describe('where the inspector is', () => {
  test('below its path alone: every other request is left untouched', async () => {
    await using site = await Site.open({ path: '/debug' })
    for (const path of [
      '/',
      '/debugger',
      '/debugger/',
      '/other/debug/',
      '/DEBUG/',
      '//debug/',
      '/?/debug/',
    ]) {
      assert.equal((await site.ask(path)).body, elsewhere, path)
    }
    for (const path of ['/debug', '/debug/', '/debug?x', '/debug/a/b']) {
      assert.equal((await site.ask(path)).status, 401, path)
    }
  })

  test('without its files, as in a bundle, the page says so and the program goes on', async (t) => {
    await using site = await Site.open()
    const headers = await site.enter()
    // Nobody has looked before this.
    const read = t.mock.method(fs, 'readFileSync', () => assert.fail('There is no such file.'))
    syncBuiltinESMExports()
    try {
      const { status, body } = await site.ask('/__unwind/', { headers })
      assert.equal(status, 500)
      assert.match(body, /leave `unwind\/inspector` out of the bundle/)
    } finally {
      read.mock.restore()
      syncBuiltinESMExports()
    }
    assert.equal((await site.ask('/__unwind/', { headers })).status, 200)
  })

  test("a path in another form than its own is nobody else's file", async () => {
    await using site = await Site.open()
    const headers = await site.enter()
    for (const path of [
      '/__unwind/%2e%2e/package.json',
      '/__unwind/main.js/',
      '/__unwind/MAIN.js',
      '/__unwind//main.js',
      '/__unwind/__proto__',
      '/__unwind/constructor',
      '/__unwind/main.js%00',
    ]) {
      assert.equal((await site.ask(path, { headers })).status, 404, path)
    }
  })

  test('whether its path was given with a slash at its end or without', async () => {
    await using site = await Site.open({ path: '/debug/~held/' })
    const { headers } = await site.ask(site.ticket())
    assert.equal(headers['location'], '/debug/~held/')
    assert.match(headers['set-cookie']?.[0] ?? '', /; Path=\/debug\/~held;/)
  })

  test('at the root of a server of its own', async () => {
    await using site = await Site.open({ path: '/' })
    const headers = await site.enter()
    const page = await site.ask('/', { headers })
    assert.match(page.body, /<main/)
    assert.equal((await site.ask('/main.js', { headers })).status, 200)
    const { headers: answered } = await site.ask(site.ticket())
    assert.match(answered['set-cookie']?.[0] ?? '', /; Path=\/;/)
  })

  test('on a server of HTTP/2 too', async () => {
    await using app = createApp({ name: 'shop' })
    const look = inspector(app)
    const server = createHttp2Server((request, response) => {
      // It has what the handler needs of the older kind.
      const asked = request as unknown as IncomingMessage
      assert.ok(look.handler(asked, response as unknown as ServerResponse))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    // A server on TCP has such an address.
    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const client = connectHttp2(base)
    const ask = async (path: string, headers: OutgoingHttpHeaders) => {
      const stream = client.request({ ':path': path, ...headers })
      const [sent] = (await once(stream, 'response')) as [IncomingHttpHeaders]
      return { sent, body: await text(stream) }
    }
    const { pathname, search } = new URL(look.url(base))
    const entered = await ask(pathname + search, {})
    assert.equal(entered.sent[':status'], 303)
    const cookie = entered.sent['set-cookie']?.[0]?.split(';')[0] ?? ''
    assert.match((await ask('/__unwind/', { cookie })).body, /^<!doctype html>/)
    assert.equal(
      (await ask('/__unwind/', { ':authority': 'evil.example', cookie })).sent[':status'],
      403,
    )
    client.close()
    server.close()
  })

  test('below its path where Express has it mounted, too', async () => {
    await using app = createApp({ name: 'shop' })
    const look = app.use(inspector(app, { path: '/admin/held' }))
    for (const mount of ['/admin', '/admin/held']) {
      const server = express()
      server.use(mount, (request, response, next) => {
        if (!look.handler(request, response)) next()
      })
      await using listening = await listen(app, createServer(server), { port: 0, linger: 0 })
      const { status, headers } = await fetch(look.url(listening.url), { redirect: 'manual' })
      assert.equal(status, 303)
      const cookie = headers.get('set-cookie')?.split(';')[0] ?? ''
      const page = await fetch(`${listening.url}/admin/held/`, { headers: { cookie } })
      assert.match(await page.text(), /^<!doctype html>/)
    }
  })

  test('nowhere any more once it is disposed', async () => {
    await using site = await Site.open()
    const headers = await site.enter()
    await site.look[Symbol.asyncDispose]()
    assert.equal((await site.ask('/__unwind/', { headers })).body, elsewhere)
  })

  test('not in production, unless that is allowed', () => {
    const before = process.env['NODE_ENV']
    process.env['NODE_ENV'] = 'production'
    try {
      assert.throws(() => inspector(createApp()), {
        name: 'InspectorInProductionError',
        code: 'ERR_INSPECTOR_IN_PRODUCTION',
        message: /allowProduction: true/,
      })
      assert.throws(() => inspector(createApp(), { allowProduction: false }), {
        code: 'ERR_INSPECTOR_IN_PRODUCTION',
      })
      assert.equal(typeof inspector(createApp(), { allowProduction: true }).handler, 'function')
    } finally {
      if (before === undefined) delete process.env['NODE_ENV']
      else process.env['NODE_ENV'] = before
    }
  })
})

describe('inspector()', () => {
  test('says which argument or option is wrong', () => {
    const app = createApp()
    // Arguments that the types forbid.
    const loose = inspector as (...args: unknown[]) => unknown
    assert.throws(
      () => loose(),
      /first argument of inspector\(\) to be an app, made by createApp\(\), received undefined/,
    )
    assert.throws(() => loose(app.child()), /first argument of inspector\(\)/)
    assert.throws(() => loose(app, { paht: '/' }), /Unknown option `paht` of inspector\(\)/)
    for (const path of [
      'debug',
      '',
      '/debug//',
      '/a b',
      '/../x',
      '/a?b',
      '/a#b',
      '//',
      '/a;b',
      7,
    ]) {
      assert.throws(() => loose(app, { path }), /option `path` of inspector\(\)/, String(path))
    }
    for (const hosts of ['a', [7], ['http://a'], ['a/b'], ['*'], ['a b'], ['']]) {
      assert.throws(() => loose(app, { hosts }), /option `hosts` of inspector\(\)/, String(hosts))
    }
    assert.throws(() => loose(app, { allowProduction: 'yes' }), /option `allowProduction`/)
  })

  test('url() wants the URL of a server, and keeps nothing of its path', () => {
    const look = inspector(createApp())
    assert.match(
      look.url('http://localhost:3000/x?y#z'),
      /^http:\/\/localhost:3000\/__unwind\/\?token=[\w-]{43}$/,
    )
    assert.match(look.url('https://[::1]:8443'), /^https:\/\/\[::1\]:8443\/__unwind\//)
    for (const base of ['localhost:3000', '/x', '', 'ftp://localhost', 'javascript:alert(1)']) {
      assert.throws(() => look.url(base), /the base given to url\(\)/, base)
    }
  })
})
