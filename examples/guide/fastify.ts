/** docs/guide/frameworks.md: Fastify. */
// #region fastify
import fastify from 'fastify'
import { createApp, inject } from 'unwind'
import { fastifyScope } from 'unwind/fastify'
import { graceful } from 'unwind/http'
import { session } from '../session.ts'

const app = createApp()
const server = fastify()
await server.register(fastifyScope, { app }) // adds request.scope; the app closes with the server
server.get('/orders', (request) => request.scope.get(session))
server.get('/deep', async () => await inject(session))
graceful(app, server.server) // and the server with the app
const url = await server.listen({ port: 0, host: '127.0.0.1' })
// #endregion
for (const path of ['/orders', '/deep']) console.log(await (await fetch(url + path)).text())
await server.close()
