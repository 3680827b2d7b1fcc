import assert from 'node:assert/strict'
import crypto from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import {
  connect as connectHttp2,
  createServer as createHttp2Server,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from 'node:http2'
import { mkdtempSync, rmSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { connect, type AddressInfo } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, test } from 'node:test'

import { createApp } from 'unwind'
import { inspector } from 'unwind/inspector'

import { elsewhere, Site } from './support/site.ts'

/** An answer to somebody who comes from `remoteAddress`. */
function answerTo(remoteAddress: string | undefined): number {
  const look = inspector(createApp())
  const request = {
    url: '/__unwind/',
    method: 'GET',
    headers: { host: 'localhost' },
    socket: { remoteAddress },
  }
  let status = 0
  const response = { writeHead: (code: number) => (status = code), end() {} }
  // Of both, the handler needs no more.
  look.handler(request as IncomingMessage, response as unknown as ServerResponse)
  return status
}

describe('who may ask', () => {
  test('a peer of this machine may, whichever loopback address it has', () => {
    for (const address of ['127.0.0.1', '127.1.2.3', '::1', '::ffff:127.0.0.1']) {
      assert.equal(answerTo(address), 401, address)
    }
  })

  test('a peer of another machine may not, nor one without an address', () => {
    for (const address of [
      '10.0.0.7',
      '192.168.1.2',
      '::ffff:10.0.0.7',
      '2001:db8::1',
      '1270.0.0.1',
      '',
      undefined,
    ]) {
      assert.equal(answerTo(address), 403, address)
    }
  })

  test('a real peer that comes through the network of the machine may not', async (t) => {
    const outer = Object.values(networkInterfaces())
      .flat()
      .find((one) => one?.internal === false && one.family === 'IPv4')
    if (outer === undefined) return t.skip('this machine has no other address')
    const look = inspector(createApp(), { hosts: [outer.address] })
    const server = createServer((request, response) => void look.handler(request, response))
    server.listen(0, '0.0.0.0')
    await once(server, 'listening')
    // A server on TCP has such an address.
    const { port } = server.address() as { port: number }
    const socket = connect(port, outer.address)
    socket.write(`GET /__unwind/ HTTP/1.1\r\nHost: ${outer.address}\r\nConnection: close\r\n\r\n`)
    assert.match(await text(socket), /^HTTP\/1\.1 403 /)
    server.close()
  })

  test('a peer behind a Unix socket may not: what stands there is usually a proxy', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'unwind-'))
    const look = inspector(createApp())
    const server = createServer((request, response) => void look.handler(request, response))
    server.listen(join(folder, 'socket'))
    await once(server, 'listening')
    const socket = connect(join(folder, 'socket'))
    socket.write('GET /__unwind/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
    assert.match(await text(socket), /^HTTP\/1\.1 403 /)
    server.close()
    rmSync(folder, { recursive: true })
  })

  for (const name of [
    'X-Forwarded-For',
    'X-Forwarded-Host',
    'X-Forwarded-Proto',
    'X-Real-IP',
    'Forwarded',
    'Via',
  ]) {
    test(`a request that was passed on may not: ${name}`, async () => {
      await using site = await Site.open()
      const { cookie } = await site.enter()
      const { status, body } = await site.ask('/__unwind/', {
        headers: { cookie, [name]: 'for=127.0.0.1' },
      })
      assert.equal(status, 403)
      assert.match(body, /no proxy/)
    })
  }

  test('a host name that is not known is refused, which a rebound DNS name is', async () => {
    await using site = await Site.open()
    const { cookie } = await site.enter()
    for (const host of [
      'evil.example',
      'localhost.evil.example',
      'evil.example:80',
      '127.0.0.1.nip.io',
      'localhost:80@evil.example',
      '[::2]',
    ]) {
      const { status, body } = await site.ask('/__unwind/', { headers: { cookie, host } })
      assert.equal(status, 403, host)
      assert.match(body, /hosts:/)
    }
  })

  test('a request without a host name is refused', async () => {
    await using site = await Site.open()
    const socket = connect(Number(new URL(site.base).port), '127.0.0.1')
    socket.write('GET /__unwind/ HTTP/1.0\r\n\r\n')
    assert.match(await text(socket), /^HTTP\/1\.1 403 /)
  })

  test('localhost, 127.0.0.1 and [::1] are known, and what `hosts` adds, with its port if it says one', async () => {
    await using site = await Site.open({ hosts: ['Dev.Example', 'port.example:81'] })
    const known = [
      'localhost',
      'LOCALHOST:3000',
      '127.0.0.1:1',
      '[::1]:3000',
      'dev.example',
      'DEV.example:9',
      'port.example:81',
    ]
    for (const host of known)
      assert.equal((await site.ask('/__unwind/', { headers: { host } })).status, 401, host)
    for (const host of ['port.example', 'port.example:82']) {
      assert.equal((await site.ask('/__unwind/', { headers: { host } })).status, 403, host)
    }
  })

  test('a request of another origin is refused, the own one is not', async () => {
    await using site = await Site.open()
    const { cookie } = await site.enter()
    const statusOf = async (origin: string) =>
      (await site.ask('/__unwind/', { headers: { cookie, origin } })).status
    assert.equal(await statusOf(site.base), 200)
    for (const origin of [
      'http://evil.example',
      'null',
      'http://127.0.0.1:1',
      'http://localhost',
      `${site.base}.evil.example`,
    ]) {
      assert.equal(await statusOf(origin), 403, origin)
    }
  })

  test('a request that another site made the browser send is refused', async () => {
    await using site = await Site.open()
    const { cookie } = await site.enter()
    const statusOf = async (from: string) =>
      (await site.ask('/__unwind/', { headers: { cookie, 'sec-fetch-site': from } })).status
    for (const from of ['none', 'same-origin']) assert.equal(await statusOf(from), 200, from)
    for (const from of ['cross-site', 'same-site', 'nonsense'])
      assert.equal(await statusOf(from), 403, from)
  })

  test('a token in a link of another site lets nobody in, and stays good', async () => {
    await using site = await Site.open()
    const ticket = site.ticket()
    const from = await site.ask(ticket, { headers: { 'sec-fetch-site': 'cross-site' } })
    assert.equal(from.status, 403)
    assert.equal(from.headers['set-cookie'], undefined)
    assert.equal((await site.ask(ticket)).status, 303)
  })

  for (const method of ['HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'QUERY']) {
    test(`${method} is refused: there is nothing to change`, async () => {
      await using site = await Site.open()
      const headers = await site.enter()
      for (const path of [
        site.ticket(),
        '/__unwind/',
        '/__unwind/snapshot.json',
        '/__unwind/events',
      ]) {
        const answer = await site.ask(path, { method, headers })
        assert.equal(answer.status, 405, path)
        assert.equal(answer.headers['allow'], 'GET')
        assert.equal(answer.headers['set-cookie'], undefined)
      }
    })
  }
})

describe('who is let in', () => {
  test('nobody without a token or its cookie, wherever they ask', async () => {
    await using site = await Site.open()
    for (const path of [
      '',
      '/',
      '/main.js',
      '/style.css',
      '/snapshot.json',
      '/events',
      '/nothing',
      '/?token=',
      '/?token=x',
    ]) {
      const { status, body, headers } = await site.ask(`/__unwind${path}`)
      assert.equal(status, 401, path)
      assert.match(body, /url\(\)/)
      assert.equal(headers['set-cookie'], undefined)
    }
  })

  test('a token is exchanged for a cookie that scripts and other sites do not get, and is gone from the address', async () => {
    await using site = await Site.open({ path: '/debug/held' })
    const { status, headers } = await site.ask(site.ticket())
    assert.equal(status, 303)
    assert.equal(headers['location'], '/debug/held/')
    const [cookie = '', ...others] = headers['set-cookie'] ?? []
    assert.deepEqual(others, [])
    const [pair = '', ...attributes] = cookie.split('; ')
    assert.match(pair, /^unwind_inspector_\d+=[\w-]{43}$/)
    assert.deepEqual(attributes, ['Path=/debug/held', 'HttpOnly', 'SameSite=Strict'])
    assert.equal((await site.ask('/debug/held/', { headers: { cookie: pair } })).status, 200)
  })

  test('a token is good for one exchange', async () => {
    await using site = await Site.open()
    const ticket = site.ticket()
    assert.equal((await site.ask(ticket)).status, 303)
    const { status, headers } = await site.ask(ticket)
    assert.equal(status, 401)
    assert.equal(headers['set-cookie'], undefined)
  })

  test('a token that was brought by somebody with a cookie is used up too', async () => {
    await using site = await Site.open()
    const headers = await site.enter()
    const ticket = site.ticket()
    const { status, headers: answered } = await site.ask(ticket, { headers })
    assert.deepEqual([status, answered['location']], [303, '/__unwind/'])
    assert.equal((await site.ask(ticket)).status, 401)
  })

  test('tokens are long and random, and those of another app are strangers', async () => {
    await using site = await Site.open()
    await using other = await Site.open()
    const tokens = Array.from({ length: 10 }, () => site.ticket())
    assert.equal(new Set(tokens).size, 10)
    for (const token of tokens) assert.match(token, /^\/__unwind\/\?token=[\w-]{43}$/)
    assert.equal((await other.ask(site.ticket())).status, 401)
    const { cookie } = await site.enter()
    const there = cookie.replace(/_\d+=/, `_${new URL(other.base).port}=`)
    assert.equal((await other.ask('/__unwind/', { headers: { cookie: there } })).status, 401)
  })

  test('of many tokens that nobody used, the latest are kept', async () => {
    await using site = await Site.open()
    const tickets = Array.from({ length: 17 }, () => site.ticket())
    assert.equal((await site.ask(tickets[0] ?? '')).status, 401)
    for (const ticket of tickets.slice(1)) assert.equal((await site.ask(ticket)).status, 303)
  })

  test('a cookie is recognised among others, and no part of it alone', async () => {
    await using site = await Site.open()
    const { cookie } = await site.enter()
    const statusOf = async (sent: string) =>
      (await site.ask('/__unwind/', { headers: { cookie: sent } })).status
    assert.equal(await statusOf(`a=b; ${cookie}; c=d`), 200)
    assert.equal(await statusOf(`unwind_inspector_1=x;${cookie}`), 200)
    for (const wrong of [
      cookie.slice(0, -1),
      `${cookie}x`,
      `x${cookie}`,
      cookie.split('=')[0] ?? '',
      '=',
      ';;;',
      `a=${cookie.split('=')[1]}`,
    ]) {
      assert.equal(await statusOf(wrong), 401, wrong)
    }
  })

  test('tokens and cookies are compared in a time that says nothing about them', async (t) => {
    await using site = await Site.open()
    const compare = t.mock.method(crypto, 'timingSafeEqual')
    syncBuiltinESMExports()
    try {
      const { cookie } = await site.enter()
      assert.equal((await site.ask('/__unwind/?token=short')).status, 401)
      assert.equal(
        (await site.ask('/__unwind/', { headers: { cookie: `${cookie}x` } })).status,
        401,
      )
      assert.equal((await site.ask('/__unwind/', { headers: { cookie } })).status, 200)
    } finally {
      compare.mock.restore()
      syncBuiltinESMExports()
    }
    assert.ok(compare.mock.callCount() >= 3)
    for (const {
      arguments: [one, other],
    } of compare.mock.calls) {
      assert.deepEqual([one.byteLength, other.byteLength], [32, 32])
    }
  })

  test('a cookie that was got over TLS is sent over TLS alone', () => {
    const look = inspector(createApp())
    const { pathname, search } = new URL(look.url('https://localhost:8443'))
    const cookies: unknown[] = []
    const request = {
      url: pathname + search,
      method: 'GET',
      headers: { host: 'localhost:8443' },
      socket: { remoteAddress: '::1', encrypted: true },
    }
    const response = {
      writeHead: (_: number, headers: Record<string, string>) =>
        cookies.push(headers['Set-Cookie']),
      end() {},
    }
    // Of both, the handler needs no more.
    look.handler(request as unknown as IncomingMessage, response as unknown as ServerResponse)
    assert.match(
      String(cookies),
      /^unwind_inspector_8443=\S+; Path=\/__unwind; HttpOnly; SameSite=Strict; Secure$/,
    )
  })

  test('two programs on two ports of one host keep each their own cookie', async () => {
    await using one = await Site.open()
    await using other = await Site.open()
    const cookies = [await one.enter(), await other.enter()].map(({ cookie }) => cookie)
    assert.equal(new Set(cookies.map((cookie) => cookie.split('=')[0])).size, 2)
    for (const site of [one, other]) {
      const { status } = await site.ask('/__unwind/', { headers: { cookie: cookies.join('; ') } })
      assert.equal(status, 200)
    }
  })
})

describe('every answer', () => {
  test('is guarded: a strict policy, no sniffing, no copy, no referrer, no other origin', async () => {
    await using site = await Site.open()
    const headers = await site.enter()
    const answers = [
      await site.ask('/__unwind/', { headers }),
      await site.ask('/__unwind/main.js', { headers }),
      await site.ask('/__unwind/style.css', { headers }),
      await site.ask('/__unwind/snapshot.json', { headers }),
      await site.ask('/__unwind/nothing', { headers }),
      await site.ask('/__unwind', { headers }),
      await site.ask(site.ticket()),
      await site.ask('/__unwind/'),
      await site.ask('/__unwind/', { method: 'POST' }),
      await site.ask('/__unwind/', { headers: { via: 'proxy' } }),
    ]
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 200, 200, 200, 404, 303, 303, 401, 405, 403],
    )
    const stream = await site.begin('/__unwind/events', { headers })
    for (const answer of [...answers, stream]) {
      const { headers: sent } = answer
      assert.equal(
        sent['content-security-policy'],
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
      )
      assert.equal(sent['x-content-type-options'], 'nosniff')
      assert.equal(sent['cache-control'], 'no-store')
      assert.equal(sent['referrer-policy'], 'no-referrer')
      assert.equal(sent['cross-origin-resource-policy'], 'same-origin')
      assert.equal(sent['cross-origin-opener-policy'], 'same-origin')
      assert.equal(sent['access-control-allow-origin'], undefined)
    }
    stream.destroy()
  })
})

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
