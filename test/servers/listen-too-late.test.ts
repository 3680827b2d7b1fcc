/** A server that is to listen when its app closes: at start-up, where a signal came before the program was ready. */
import assert from 'node:assert/strict'
import { promises } from 'node:dns'
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'

import { createApp } from 'unwind'
import { graceful, listen } from 'unwind/http'

import { isPending, rejection, within } from '../core/support/promises.ts'

const done: RequestListener = (_request, response) => response.end('done')

test('a server whose app closes while its host is looked up does not listen', async (t) => {
  const app = createApp()
  const server = createServer(done)
  t.after(() => server.close())
  const listening = rejection(listen(app, server, { port: 0, host: 'localhost' }))
  await app.shutdown()
  const error = (await listening) as NodeJS.ErrnoException
  assert.equal(error.code, 'ERR_SCOPE_CLOSED')
  assert.equal(server.listening, false)
})

test('listen() in an app that closes rejects once that has given everything back', async () => {
  const app = createApp()
  const released = Promise.withResolvers<void>()
  app.defer(() => released.promise)
  const closing = app.close()
  const listening = rejection(listen(app, createServer(done), { port: 0 }))
  assert.ok(await isPending(listening))
  released.resolve()
  const error = (await within(listening)) as NodeJS.ErrnoException
  assert.equal(error.code, 'ERR_SCOPE_CLOSED')
  assert.equal(app.state, 'closed')
  await closing
})

test('one that the app waits for does not wait for that', async () => {
  const app = createApp()
  const errors: unknown[] = []
  app.defer(async () => {
    errors.push(await rejection(listen(app, createServer(done), { port: 0 })))
  })
  await within(app.close())
  assert.equal((errors[0] as NodeJS.ErrnoException).code, 'ERR_SCOPE_CLOSED')
})

test('a graceful server that listens by itself does not, where its app closes while its host is looked up', async (t) => {
  const app = createApp()
  const server = createServer(done)
  t.after(() => server.close())
  graceful(app, server)
  server.listen(0, 'localhost')
  await within(app.close())
  // What was asked for before answers before.
  await promises.lookup('localhost')
  await turn()
  assert.equal(server.listening, false)
})

test('one that is made graceful while what runs has its grace closes', async () => {
  const app = createApp()
  const gate = Promise.withResolvers<void>()
  const working = app.run(() => gate.promise)
  const down = app.shutdown({ grace: 600_000 })
  const server = createServer(done).listen(0)
  await once(server, 'listening')
  const closed = once(server, 'close')
  graceful(app, server)
  await within(closed)
  gate.resolve()
  await Promise.all([working, down])
})

test('a server that is closed while its host is looked up makes listen() reject, in an app that goes on', async () => {
  await using app = createApp()
  const server = createServer(done)
  const listening = rejection(listen(app, server, { port: 0, host: 'localhost' }))
  server.close()
  const error = (await within(listening)) as Error
  assert.match(error.message, /the server was closed before it listened/)
  assert.deepEqual([app.state, server.listening], ['open', false])
})
