/** Who is let in, and what every answer is guarded with. */
import assert from 'node:assert/strict'
import crypto from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { syncBuiltinESMExports } from 'node:module'
import { describe, test } from 'node:test'
import { createApp } from 'unwind'
import { inspector } from 'unwind/inspector'
import { Site } from './support/site.ts'

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
      assert.match(sent['cache-control'] ?? '', /^no-store(?:,|$)/)
      assert.equal(sent['referrer-policy'], 'no-referrer')
      assert.equal(sent['cross-origin-resource-policy'], 'same-origin')
      assert.equal(sent['cross-origin-opener-policy'], 'same-origin')
      assert.equal(sent['access-control-allow-origin'], undefined)
    }
    stream.destroy()
  })
})
