/** A `Response` that a handler got from another server, or made as if it had. */
import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import { connect, createServer as createHttp2Server } from 'node:http2'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { describe, test } from 'node:test'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'

import express from 'express'
import { expressHandler, expressScope } from 'unwind/express'
import { handle } from 'unwind/http'

import { ask } from './support/client.ts'
import { openHandled } from './support/handled-site.ts'
import { Site } from './support/site.ts'

const headers = {
  connection: 'keep-alive, X-Hop',
  'keep-alive': 'timeout=9',
  'proxy-connection': 'keep-alive',
  'transfer-encoding': 'chunked',
  upgrade: 'h2c',
  'x-hop': 'one',
  'x-own': 'stays',
}

/** Of the answer, what is not about the answer alone. */
function shown(all: object): string[] {
  return Object.keys(all).filter((name) => name in headers)
}

describe('a Response leaves what it says about its connection behind', () => {
  test('over HTTP/1.1, where the connection of the client ends as it would', async () => {
    await using site = await openHandled((_request, response) => {
      response.setHeader('Connection', 'close')
      return new Response('passed on', { headers })
    })
    const answer = await ask(site, '/')
    assert.deepEqual([answer.body, answer.headers.connection], ['passed on', 'close'])
    assert.deepEqual(shown(answer.headers), ['connection', 'x-own'])
  })

  test('over HTTP/2, which knows no such headers', async () => {
    const server = createHttp2Server() as unknown as Server
    const answer = (): Response => new Response('passed on', { headers })
    await using site = await Site.open(({ app }) => handle(app, answer), server)
    const session = connect(`http://127.0.0.1:${site.port}`)
    const stream = session.request({ ':path': '/' })
    const [head] = await once(stream, 'response')
    assert.deepEqual([head[':status'], await text(stream)], [200, 'passed on'])
    assert.deepEqual(shown(head), ['x-own'])
    session.destroy()
  })
})

describe('a Response that was fetched says of its body', () => {
  const page = 'a page '.repeat(100)
  const codings: Readonly<Record<string, (plain: string) => Uint8Array>> = {
    gzip: gzipSync,
    deflate: deflateSync,
    br: brotliCompressSync,
    'gzip, br': (plain) => brotliCompressSync(gzipSync(plain)),
  }

  async function upstream(coding: string, body: Uint8Array): Promise<Server> {
    const server = createServer((_request, response) => {
      response.setHeader('Content-Encoding', coding).setHeader('Content-Length', body.length)
      response.end(body)
    })
    await once(server.listen(0, '127.0.0.1'), 'listening')
    return server
  }

  for (const [coding, encode] of Object.entries(codings)) {
    for (const by of ['handle()', 'expressHandler()']) {
      test(`no coding and no length, where it was decoded from ${coding}, by ${by}`, async () => {
        await using server = await upstream(coding, encode(page))
        const { port } = server.address() as AddressInfo
        const pass = () => fetch(`http://127.0.0.1:${port}/`)
        await using site = await Site.open(({ app }) =>
          by === 'handle()'
            ? handle(app, pass)
            : express().use(expressScope(app)).use(expressHandler(pass)),
        )
        const answer = await ask(site, '/')
        assert.deepEqual([answer.status, answer.body], [200, page])
        assert.equal(answer.headers['content-encoding'], undefined)
      })
    }
  }

  test('what its server said, where it was not decoded', async () => {
    const coded = Buffer.from('in a coding of its own')
    await using server = await upstream('compress', coded)
    const { port } = server.address() as AddressInfo
    await using site = await openHandled(() => fetch(`http://127.0.0.1:${port}/`))
    const answer = await ask(site, '/')
    assert.deepEqual([answer.status, answer.body], [200, String(coded)])
    const { 'content-encoding': coding, 'content-length': length } = answer.headers
    assert.deepEqual([coding, length], ['compress', String(coded.length)])
  })
})

test('a Response that a handler made keeps the coding that it was given', async () => {
  const body = gzipSync('a page')
  await using site = await openHandled(
    () => new Response(body, { headers: { 'content-encoding': 'gzip' } }),
  )
  const answer = await ask(site, '/')
  assert.deepEqual([answer.status, answer.headers['content-encoding']], [200, 'gzip'])
})
