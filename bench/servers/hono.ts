/** What does a scope for each request of Hono on Node.js cost? The baseline is Hono alone. */
import { getRequestListener } from '@hono/node-server'
import { Hono } from 'hono'
import { contextStorage } from 'hono/context-storage'
import { createApp, inject } from 'unwind'
import { honoFetch, honoScope } from 'unwind/hono'

import { acquire, release, released, session } from './session.ts'
import type { Suite } from './slices.ts'

const answer = { hello: 'world' }

function plain(): Hono {
  return new Hono().get('/*', (c) => c.json(answer))
}

export function open(): Suite {
  const app = createApp()
  const variants = [
    { name: 'bare', serve: getRequestListener(plain().fetch) },
    { name: 'honoFetch', serve: getRequestListener(honoFetch(app, plain())) },
    {
      name: 'honoScope',
      serve: getRequestListener(
        new Hono().use(honoScope(app)).get('/*', (c) => c.json(answer)).fetch,
      ),
    },
    {
      name: 'contextStorage',
      serve: getRequestListener(
        new Hono().use(contextStorage()).get('/*', (c) => c.json(answer)).fetch,
      ),
    },
    {
      name: 'a resource, honoFetch',
      released,
      serve: getRequestListener(
        honoFetch(
          app,
          new Hono().get('/*', async (c) => {
            await inject(session)
            return c.json(answer)
          }),
        ),
      ),
    },
    {
      name: 'a resource, by hand',
      released,
      serve: getRequestListener(
        new Hono().get('/*', async (c) => {
          const held = await acquire()
          try {
            return c.json(answer)
          } finally {
            await release(held)
          }
        }).fetch,
      ),
    },
  ]
  return {
    question: 'What does a scope for each request of Hono on Node.js cost?',
    variants,
    [Symbol.asyncDispose]: () => app.close(),
  }
}
