/**
 * An answer whose head was sent before its server began to leave does not say that it is the last one of its connection:
 * its client may send another request, and cannot know that it should not.
 */
import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { suite, test } from 'node:test'

import { quiet, within } from '../core/support/promises.ts'
import { Peer } from './support/client.ts'
import { doors } from './support/doors.ts'

for (const [way, open] of Object.entries(doors)) {
  suite(`closed by ${way}, after the head of an answer`, { timeout: 60_000 }, () => {
    test('a request behind that answer is served, and told that its connection ends', async (t) => {
      const begun = Promise.withResolvers<ServerResponse>()
      const door = await open(
        t,
        (request, response) => {
          if (request.url === '/second') response.end('served')
          else begun.resolve(response)
        },
        60_000,
      )
      using client = await Peer.connect(door)
      client.get('/first')
      const first = await within(begun.promise)
      first.flushHeaders()
      const closing = door.close()
      do await quiet()
      while (door.server.listening)
      await quiet()
      first.end('the first')
      await within(client.until('\r\n0\r\n\r\n'))
      client.received = ''
      client.get('/second')
      await within(client.closed)
      // Whoever closes an app does not wait for anybody; its shutdown does.
      const expected =
        way === 'app.close()' ? /^HTTP\/1\.1 503 / : /^HTTP\/1\.1 200 OK\r\n[^]*served$/
      assert.match(client.received, expected)
      assert.match(client.received, /\r\nConnection: close\r\n/)
      await within(closing)
    })

    test('a client that asks for nothing more does not keep it open', async (t) => {
      const begun = Promise.withResolvers<ServerResponse>()
      const door = await open(t, (_request, response) => begun.resolve(response), 50)
      using silent = await Peer.connect(door)
      silent.get('/')
      const response = await within(begun.promise)
      response.flushHeaders()
      const closing = door.close()
      do await quiet()
      while (door.server.listening)
      await quiet()
      response.end('all')
      await within(Promise.all([silent.closed, closing]))
      assert.match(silent.received, /\r\nall\r\n0\r\n\r\n$/)
    })
  })
}
