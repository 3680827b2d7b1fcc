import assert from 'node:assert/strict'
import { ServerResponse, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { describe, test } from 'node:test'

import fc from 'fast-check'
import { createApp } from 'unwind'
import { inspector } from 'unwind/inspector'

import { elsewhere, Site } from './support/site.ts'

const look = inspector(createApp(), { hosts: ['dev.example'] })
const port = 3_000
const origin = `http://localhost:${port}`

/** The answer to a request as the parser of Node.js gives it, but for what it would refuse. */
function answerTo(asked: {
  url: string
  method: string
  remoteAddress: string | undefined
  headers: object
}) {
  const { url, method, remoteAddress } = asked
  const headers = Object.assign(Object.create(null), asked.headers) as IncomingMessage['headers']
  const request = {
    url,
    method,
    headers,
    socket: { remoteAddress },
    httpVersionMajor: 1,
    httpVersionMinor: 1,
  }
  // The handler needs no more of a request.
  const response = new ServerResponse(request as IncomingMessage)
  const taken = look.handler(request as unknown as IncomingMessage, response)
  return {
    taken,
    status: response.headersSent ? response.statusCode : undefined,
    cookie: response.getHeader('set-cookie'),
  }
}

function fresh(): string {
  const { pathname, search } = new URL(look.url(origin))
  return pathname + search
}

/** A cookie that is good. */
const cookie = (() => {
  const headers: Record<string, string> = {}
  const response = {
    writeHead: (_: number, sent: Record<string, string>) => Object.assign(headers, sent),
    end() {},
  }
  const request = {
    url: fresh(),
    method: 'GET',
    headers: { host: `localhost:${port}` },
    socket: { remoteAddress: '::1' },
  }
  // Of both, the handler needs no more.
  look.handler(request as IncomingMessage, response as unknown as ServerResponse)
  return (headers['Set-Cookie'] ?? '').split(';')[0] ?? ''
})()

const some = <T>(...values: T[]) => fc.constantFrom(...values)
const odd = fc.oneof(fc.string(), fc.string({ unit: 'binary' }))
const asked = fc.record({
  url: fc.oneof(
    some(
      '/__unwind',
      '/__unwind/',
      '/__unwind/main.js',
      '/__unwind/snapshot.json',
      '/__unwind/?token=',
      '/',
      '*',
      '',
    ),
    odd.map((rest) => `/__unwind/${rest}`),
    odd.map((rest) => `/__unwind/?token=${rest}`),
    odd,
  ),
  method: fc.oneof(
    { weight: 4, arbitrary: some('GET') },
    { weight: 1, arbitrary: fc.oneof(some('POST', 'HEAD', 'get'), odd) },
  ),
  remoteAddress: fc.oneof(
    { weight: 4, arbitrary: some('127.0.0.1', '::1') },
    { weight: 1, arbitrary: fc.oneof(some(undefined, '10.0.0.1'), odd) },
  ),
  host: fc.oneof(
    { weight: 4, arbitrary: some(`localhost:${port}`, `dev.example:${port}`) },
    { weight: 1, arbitrary: fc.oneof(some(undefined, 'evil.example'), odd) },
  ),
  origin: fc.oneof(
    { weight: 4, arbitrary: some(undefined, origin) },
    { weight: 1, arbitrary: odd },
  ),
  site: fc.oneof(
    { weight: 4, arbitrary: some(undefined, 'none', 'same-origin') },
    { weight: 1, arbitrary: fc.oneof(some('cross-site', 'same-site'), odd) },
  ),
  cookie: fc.oneof(
    some(undefined, cookie, `a=b; ${cookie}`),
    odd,
    odd.map((rest) => `${cookie.split('=')[0]}=${rest}`),
  ),
  more: fc.dictionary(
    fc.oneof(some('via', 'forwarded', 'x-forwarded-for', 'x-real-ip'), fc.string()),
    odd,
    { maxKeys: 1 },
  ),
})

describe('whatever is asked', () => {
  test('is answered without a throw, and only to whom every rule lets in', () => {
    let good = 0
    fc.assert(
      fc.property(
        asked,
        ({ url, method, remoteAddress, host, origin: from, site, cookie: sent, more }) => {
          const given = { host, origin: from, 'sec-fetch-site': site, cookie: sent, ...more }
          const headers = Object.fromEntries(
            Object.entries(given).filter(([, value]) => value !== undefined),
          )
          const { taken, status, cookie: got } = answerTo({ url, method, remoteAddress, headers })
          assert.equal(taken, /^\/__unwind(?:[/?]|$)/.test(url))
          assert.equal(status === undefined, !taken)
          // No token was issued that is not used up.
          assert.equal(got, undefined)
          if (status !== 200 && status !== 303 && status !== 404) return
          good += 1
          assert.equal(method, 'GET')
          assert.ok(remoteAddress === '127.0.0.1' || remoteAddress === '::1')
          assert.match(String(host), /^(?:localhost|127\.0\.0\.1|\[::1\]|dev\.example)(?::\d+)?$/i)
          assert.ok(from === undefined || [`http://${host}`, `https://${host}`].includes(from))
          assert.ok(site === undefined || site === 'none' || site === 'same-origin')
          assert.ok(sent?.includes(cookie))
          assert.ok(
            !Object.keys(headers).some((name) =>
              /^(?:x-forwarded.*|x-real-ip|forwarded|via)$/.test(name),
            ),
          )
        },
      ),
      { numRuns: 5_000 },
    )
    assert.ok(good > 100, `${good} were let in`)
  })

  test('as bytes on a connection leaves the server serving', async () => {
    await using site = await Site.open()
    const server = Number(new URL(site.base).port)
    const line = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 80 }),
      some(`Host: localhost:${server}`, 'Cookie: =;=', 'Content-Length: 1', 'Origin: null'),
    )
    const request = fc.tuple(
      some('GET', 'POST', 'X'),
      fc.oneof(
        some('/__unwind/'),
        odd.map((rest) => `/__unwind/${rest}`),
      ),
      fc.array(line, { maxLength: 4 }),
    )
    await fc.assert(
      fc.asyncProperty(request, async ([method, path, lines]) => {
        const socket = connect(server, '127.0.0.1')
        socket.on('error', () => {})
        socket.end(
          `${[`${method} ${path} HTTP/1.1`, ...lines, 'Connection: close'].join('\r\n')}\r\n\r\n`,
        )
        assert.doesNotMatch(await text(socket).catch(() => ''), /^HTTP\/1\.1 (?:2|5)/)
      }),
      { numRuns: 200 },
    )
    assert.equal((await site.ask('/')).body, elsewhere)
  })
})
