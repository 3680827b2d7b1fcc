/**
 * What does a scope around a request listener of Node.js cost? The baseline is the listener alone; `by hand` is what one
 * would write: `AsyncLocalStorage.run`, `try`, `finally`, and a listener of 'close'.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { IncomingMessage, ServerResponse } from 'node:http'

import { ClsServiceManager } from 'nestjs-cls'
import { createApp, inject } from 'unwind'
import { handle, scoped } from 'unwind/http'

import { acquire, release, released, session, type Session } from './session.ts'
import type { Suite } from './slices.ts'

const answer = { hello: 'world' }

function send(response: ServerResponse): void {
  response.setHeader('Content-Type', 'application/json')
  response.end(JSON.stringify(answer))
}

function bare(_request: IncomingMessage, response: ServerResponse): void {
  send(response)
}

export function open(): Suite {
  const app = createApp()
  const storage = new AsyncLocalStorage<{ session?: Session }>()
  const cls = ClsServiceManager.getClsService()
  const variants = [
    { name: 'bare', serve: bare },
    { name: 'scoped', serve: scoped(app, bare) },
    {
      name: 'scoped, async',
      // oxlint-disable-next-line require-await -- as most are
      serve: scoped(app, async (request, response) => bare(request, response)),
    },
    { name: 'handle', serve: handle(app, () => answer) },
    {
      name: 'AsyncLocalStorage by hand',
      serve: (request: IncomingMessage, response: ServerResponse) =>
        storage.run({}, () => {
          response.on('close', () => {})
          bare(request, response)
        }),
    },
    {
      name: 'nestjs-cls',
      serve: (request: IncomingMessage, response: ServerResponse) =>
        cls.run(() => bare(request, response)),
    },
    {
      name: 'a resource, by hand',
      released,
      serve: (_request: IncomingMessage, response: ServerResponse) =>
        storage.run({}, async () => {
          const store = storage.getStore()
          const held = await acquire()
          if (store !== undefined) store.session = held
          try {
            send(response)
          } finally {
            await release(held)
          }
        }),
    },
    {
      name: 'a resource, nestjs-cls',
      released,
      serve: (_request: IncomingMessage, response: ServerResponse) =>
        cls.run(async () => {
          const held = await acquire()
          cls.set('session', held)
          try {
            send(response)
          } finally {
            await release(cls.get('session'))
          }
        }),
    },
    {
      name: 'a resource, scoped',
      released,
      serve: scoped(app, async (_request: IncomingMessage, response: ServerResponse) => {
        await inject(session)
        send(response)
      }),
    },
  ]
  return {
    question: 'What does a scope around a request listener of Node.js cost?',
    variants,
    [Symbol.asyncDispose]: () => app.close(),
  }
}
