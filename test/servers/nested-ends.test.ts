/** Adapters inside of one another, when their client leaves or their time is over. */
import assert from 'node:assert/strict'
import { createServer, type RequestListener } from 'node:http'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'

import type { HttpBindings } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { Hono } from 'hono'
import { currentScope, type App } from 'unwind'
import { expressHandler } from 'unwind/express'
import { honoFetch } from 'unwind/hono'
import { handle } from 'unwind/http'

import { ask, Peer } from './support/client.ts'
import { opened, type Call, type Kind } from './support/kinds.ts'
import { expressed, heard, outers } from './support/outers.ts'
import { untilAborted } from './support/scoped-site.ts'
import { Site } from './support/site.ts'

const streaming: Readonly<Record<string, (app: App, body: () => Readable) => RequestListener>> = {
  handle: (app, body) => handle(app, async () => body()),
  expressHandler: (app, body) => expressed(app).use(expressHandler(async () => body())),
}

for (const [around, outer] of Object.entries(outers)) {
  for (const [name, inner] of Object.entries(streaming)) {
    test(`within ${around}, a stream of ${name} ends before anything is released when its client leaves`, async () => {
      const log: string[] = []
      async function* pieces(): AsyncGenerator<string> {
        try {
          for (;;) {
            yield 'piece'
            await turn()
          }
        } finally {
          await turn()
          log.push('ended')
        }
      }
      const kind: Pick<Kind, 'open'> = {
        open: async (app, handler) => {
          const body = (): Readable => {
            // Nothing else of the call is used here.
            void handler({ scope: currentScope() } as Call)
            return Readable.from(pieces())
          }
          return opened(await outer(app, inner(app, body)))
        },
      }
      await using site = await Site.serve(kind, async ({ scope }) => {
        scope.defer(({ status }) => log.push(status))
        return {}
      })
      using peer = await Peer.connect(site)
      peer.get('/')
      await peer.until('piece', 2)
      peer.reset()
      await site.outcomes()
      assert.deepEqual([log, site.reported], [['ended', 'aborted'], []])
    })
  }
}

test('a handler of handle() within Hono that takes too long is answered with 503', async () => {
  const hono = new Hono<{ Bindings: HttpBindings }>()
  const kind: Pick<Kind, 'open'> = {
    open: (app, handler) => {
      const listener = handle(app, async (_request, _response, scope) => {
        // Nothing else of the call is used here.
        await handler({ scope } as Call)
      })
      hono.get('/', ({ env }) => {
        listener(env.incoming, env.outgoing)
        return RESPONSE_ALREADY_SENT
      })
      return opened(createServer(heard(honoFetch(app, hono, { timeout: 10 }))))
    },
  }
  await using site = await Site.serve(kind, ({ scope }) => untilAborted(scope))
  assert.equal((await ask(site, '/')).status, 503)
  assert.deepEqual(await site.statuses(), ['aborted'])
})
