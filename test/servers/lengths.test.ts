/** The length of an answer of which all bytes are known, on the wire. */
import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { test } from 'node:test'

import { createApp } from 'unwind'
import { listen, scoped } from 'unwind/http'

import { ask, Peer } from './support/client.ts'
import { openHandled } from './support/handled-site.ts'

/** The head of the answer to `path`, in lower case. */
async function headOf(path: string, method: string, whole: string): Promise<string> {
  await using site = await openHandled((request, response) => {
    if (request.url === '/wrong') response.setHeader('Content-Length', 1)
    if (request.url === '/chunked') response.setHeader('Transfer-Encoding', 'chunked')
    return request.url === '/empty' ? '' : 'grüße'
  })
  using peer = await Peer.connect(site)
  const lines = [`${method} ${path} HTTP/1.1`, 'Host: test', 'Connection: close', '', '']
  peer.socket.write(lines.join('\r\n'))
  await peer.closed
  assert.ok(peer.received.endsWith(whole))
  return peer.received.slice(0, peer.received.indexOf('\r\n\r\n')).toLowerCase()
}

// As the bytes of UTF-8 are written in Latin-1.
const body = Buffer.from('grüße').toString('latin1')

for (const [name, path, method, whole, length] of [
  ['text', '/', 'GET', body, 7],
  ['no text', '/empty', 'GET', '', 0],
  ['text that is asked for by HEAD', '/', 'HEAD', '\r\n\r\n', 7],
  ['text whose handler has set another length', '/wrong', 'GET', body, 7],
] as const) {
  test(`handle() tells the length of ${name} in bytes, once`, async () => {
    const head = await headOf(path, method, whole)
    assert.deepEqual(head.match(/content-length: .*/g), [`content-length: ${length}`])
    assert.doesNotMatch(head, /transfer-encoding/)
  })
}

test('handle() tells no length of an answer that is to be sent in chunks', async () => {
  const head = await headOf('/chunked', 'GET', `${body}\r\n0\r\n\r\n`)
  assert.doesNotMatch(head, /content-length/)
  assert.match(head, /transfer-encoding: chunked/)
})

test('an answer that tells its length is whole where the end of its response calls write(), as that of a mock does', async () => {
  const app = createApp()
  const listener = scoped(
    app,
    (_request, response: ServerResponse) => {
      response.setHeader('Content-Length', 3)
      response.end('one')
    },
    { closeAt: 'answer' },
  )
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    const end = response.end.bind(response) as () => ServerResponse
    response.end = (chunk: unknown) => {
      response.write(chunk)
      return end()
    }
    listener.call(server, request, response)
  })
  const { port } = await listen(app, server, { port: 0, host: '127.0.0.1' })
  assert.equal((await ask({ port }, '/')).body, 'one')
  await app.close()
})
