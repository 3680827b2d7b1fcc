/** The suite's handlers as routes of Fastify: one that returns its result, and one that calls `reply.send()`. */
import { fastify, type FastifyReply, type FastifyRequest } from 'fastify'
import type { App } from 'unwind'
import { fastifyScope } from 'unwind/fastify'
import type { AdapterOptions } from 'unwind/http'

import { streamOf, type Call, type Handler, type Opened } from './kinds.ts'

type Route = (request: FastifyRequest, reply: FastifyReply) => unknown

export function fastified(app: App, handler: Handler, options: AdapterOptions): Promise<Opened> {
  return serve(app, options, async (request, reply) => {
    const { status = 200, body = '', length } = await handler(callOf(request, reply))
    reply.code(status)
    if (length !== undefined) reply.header('Content-Length', length)
    return streamOf(body) ?? body
  })
}

export function fastifiedByReply(
  app: App,
  handler: Handler,
  options: AdapterOptions,
): Promise<Opened> {
  return serve(app, options, (request, reply) => {
    handler(callOf(request, reply)).then(
      ({ status = 200, body = '', length }) => {
        if (length !== undefined) reply.header('Content-Length', length)
        return reply.code(status).send(streamOf(body) ?? body)
      },
      (error: unknown) => reply.send(error),
    )
  })
}

async function serve(app: App, options: AdapterOptions, handler: Route): Promise<Opened> {
  const server = fastify()
  await server.register(fastifyScope, { app, ...options })
  server.addContentTypeParser(
    '*',
    { parseAs: 'string' },
    async (_request: unknown, body: unknown) => body,
  )
  server.all('/*', handler)
  await server.ready()
  return { server: server.server, stop: () => server.close() }
}

function callOf(request: FastifyRequest, reply: FastifyReply): Call {
  return {
    path: request.url,
    scope: request.scope,
    request: request.raw,
    response: reply.raw,
    // As the parser of `serve` has it.
    body: async () => (request.body ?? '') as string,
  }
}
