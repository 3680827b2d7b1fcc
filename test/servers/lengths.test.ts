/** The length of an answer of which all bytes are known, on the wire. */
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { Peer } from './support/client.ts'
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
