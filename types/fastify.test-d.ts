import fastify, { type FastifyPluginAsync } from 'fastify'
import type { App, Scope } from 'unwind'
import { fastifyScope, type FastifyScopeOptions } from 'unwind/fastify'
import { expectAssignable, expectError, expectType } from 'tsd'

declare const app: App
const server = fastify()

expectType<FastifyPluginAsync<FastifyScopeOptions>>(fastifyScope)
server.register(fastifyScope, { app })
server.register(fastifyScope, { app, timeout: 1_000, closeAt: 'answer', prefix: '/api' })
// Which app?
expectError(server.register(fastifyScope, {}))
expectError(server.register(fastifyScope, { app, closeAt: 'flushed' }))
expectAssignable<FastifyScopeOptions>({ app })

server.get('/', async (request) => {
  expectType<Scope>(request.scope)
  return request.scope.name
})
