/** A server that is to listen when its app closes: at start-up, where a signal came before the program was ready. */
import assert from 'node:assert/strict'
import { createServer, type RequestListener } from 'node:http'
import { test } from 'node:test'

import { createApp } from 'unwind'
import { listen } from 'unwind/http'

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
