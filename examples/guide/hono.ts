/** docs/guide/frameworks.md: Hono on Node.js. */
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
// #region hono
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { createApp, inject } from 'unwind'
import { honoFetch, honoScope } from 'unwind/hono'
import { graceful } from 'unwind/http'
import { session } from '../session.ts'

const app = createApp()
const hono = new Hono()
hono.use(honoScope(app)) // adds c.var.scope
hono.get('/orders', async (c) => c.json(await c.var.scope.get(session)))
hono.get('/deep', async (c) => c.json(await inject(session)))
const server = serve({ fetch: honoFetch(app, hono), port: 0, hostname: '127.0.0.1' })
graceful(app, server) // the server closes with the app
// #endregion
await once(server, 'listening')
// It listens on a port, not on a pipe.
const { port } = server.address() as AddressInfo
for (const path of ['/orders', '/deep']) {
  console.log(await (await fetch(`http://127.0.0.1:${port}${path}`)).text())
}
await app.shutdown()
