/** WebSockets over `@hono/node-server`, which asks its app without a response: the scope ends with the socket. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Server } from 'node:http'
import { describe, test } from 'node:test'
import { createAdaptorServer, upgradeWebSocket } from '@hono/node-server'
import { Hono, type Handler } from 'hono'
import type { App } from 'unwind'
import { honoFetch, honoScope, type AdapterOptions } from 'unwind/hono'
import { WebSocketServer } from 'ws'

import type { Opened } from './support/kinds.ts'
import { Site } from './support/site.ts'
import { checkOpenUntil, connect, departures } from './support/upgraded.ts'

type Options = Parameters<typeof createAdaptorServer>[0]
type Fetch = Options['fetch']
type Sockets = NonNullable<Options['websocket']>['server']
type Make = (app: App, hono: Hono, options: AdapterOptions) => Fetch

const ways: Readonly<Record<string, Make>> = {
  honoFetch: (app, hono, options) => honoFetch(app, hono, options),
  honoScope: (_app, hono) => hono.fetch,
}

function open(
  make: Make,
  route: (site: Site) => Handler,
  options: AdapterOptions = {},
): Promise<Site> {
  const serve = (app: App): Opened => {
    const hono = new Hono()
    hono.onError((_error, c) => c.text('failed', 500))
    hono.use(honoScope(app, options))
    // It is made before anybody asks.
    hono.get('/', (c, next) => route(site)(c, next))
    // Its types ask for less than those of ws have.
    const sockets = new WebSocketServer({ noServer: true }) as unknown as Sockets
    const fetch = make(app, hono, options)
    const server = createAdaptorServer({ fetch, websocket: { server: sockets } }) as Server
    const stop = async (): Promise<void> => {
      await new Promise((resolve) => server.close(resolve))
    }
    return { server, stop }
  }
  let site: Site
  return Site.serve({ open: serve }, async () => ({})).then((made) => (site = made))
}

for (const [way, make] of Object.entries(ways)) {
  describe(`with ${way}`, () => {
    for (const [how, leave] of departures) {
      test(`the scope is open until its client ${how}, and closed then`, async () => {
        await using site = await open(make, (site) =>
          upgradeWebSocket((c) => {
            site.watch(c.var.scope)
            return { onMessage: (_, socket) => socket.send(c.var.scope.state) }
          }),
        )
        await checkOpenUntil(leave, site)
      })
    }

    test('the time of a request is that of its socket', async () => {
      const route = (site: Site): Handler =>
        upgradeWebSocket((c) => {
          site.watch(c.var.scope)
          return {}
        })
      await using site = await open(make, route, { timeout: 20 })
      const socket = await connect(site)
      const [code] = await once(socket, 'close')
      assert.equal(code, 1006)
      assert.deepEqual(await site.statuses(), ['aborted'])
    })

    test('what is answered without a socket ends with the connection, and so does what fails', async () => {
      const answers: readonly ((site: Site) => Handler)[] = [
        () => (c) => c.text('no', 401),
        () => () => {
          throw new Error('no')
        },
      ]
      for (const answer of answers) {
        const route =
          (site: Site): Handler =>
          (c, next) => {
            site.watch(c.var.scope)
            return answer(site)(c, next)
          }
        await using site = await open(make, route)
        await assert.rejects(connect(site), /Unexpected server response: (401|500)/)
        assert.equal((await site.statuses()).length, 1)
      }
    })
  })
}
