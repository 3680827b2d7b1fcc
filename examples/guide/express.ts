/** docs/guide/frameworks.md: Express. */
// #region express
import express from 'express'
import { createServer } from 'node:http'
import { createApp, inject } from 'unwind'
import { expressHandler, expressScope } from 'unwind/express'
import { listen } from 'unwind/http'
import { session } from '../session.ts'

const app = createApp()
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
