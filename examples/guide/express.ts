/** docs/guide/frameworks.md: Express. */
import express from 'express'
import { createApp, inject, resource } from 'unwind'
import { expressHandler, expressScope } from 'unwind/express'
import { listen } from 'unwind/http'
import { createServer } from 'node:http'

const session = resource({
  name: 'session',
  acquire: ({ scope }) => ({ of: scope.name }),
  release: (_session, { status }) => console.log('released:', status),
})
const app = createApp()
// #region express
const server = express()
server.use(expressScope(app)) // adds request.scope; mount it first
server.get(
  '/orders',
  expressHandler((_request, _response, scope) => scope.get(session)), // closed, then sent as JSON
)
server.get('/plain', async (_request, response) => {
  const { of } = await inject(session) // any route, also deep inside of it
  response.send(of) // writes itself: commit what has to be committed before this line
})
const listening = await listen(app, createServer(server), { port: 0, host: '127.0.0.1' })
// #endregion
for (const path of ['/orders', '/plain'])
  console.log(await (await fetch(listening.url + path)).text())
await app.shutdown()
