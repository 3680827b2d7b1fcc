/** Whom the inspector answers at all: peers of this machine, who name it, from its own pages. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, test } from 'node:test'
import { createApp } from 'unwind'
import { inspector } from 'unwind/inspector'
import { Site } from './support/site.ts'

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
