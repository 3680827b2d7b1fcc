/** What does a scope for each request of Fastify cost? The baseline is Fastify alone. */
import { createServer, type RequestListener } from 'node:http'

import { fastifyAwilixPlugin } from '@fastify/awilix'
import { fastifyRequestContext, requestContext } from '@fastify/request-context'
import { asFunction, Lifetime } from 'awilix'
import { fastify, type FastifyInstance } from 'fastify'
import { createApp } from 'unwind'
import { fastifyScope } from 'unwind/fastify'

import { acquire, release, released, session, type Session } from './session.ts'
import type { Suite } from './slices.ts'

const answer = { hello: 'world' }

declare module '@fastify/request-context' {
  interface RequestContextData {
    session: Session
  }
}

declare module '@fastify/awilix' {
  interface RequestCradle {
    session: Promise<Session>
  }
}

/** The listener of a server that never listens, after `add` has had its turn. */
async function listenerOf(add: (server: FastifyInstance) => unknown): Promise<RequestListener> {
  let listener: RequestListener | undefined
  const server = fastify({
    serverFactory: (handler) => {
      listener = handler
      return createServer(handler)
    },
  })
  await add(server)
  await server.ready()
  if (listener === undefined) throw new Error('Fastify made no listener.')
  return listener
}

// oxlint-disable-next-line require-await -- as most are
const reply = async (): Promise<object> => answer

export async function open(): Promise<Suite> {
  const app = createApp()
  const variants = [
    { name: 'bare', serve: await listenerOf((server) => server.get('/*', reply)) },
    {
      name: 'fastifyScope',
      serve: await listenerOf(async (server) => {
        await server.register(fastifyScope, { app })
        server.get('/*', reply)
      }),
    },
    {
      name: '@fastify/request-context',
      serve: await listenerOf(async (server) => {
        await server.register(fastifyRequestContext)
        server.get('/*', reply)
      }),
    },
    {
      name: 'a resource, fastifyScope',
      released,
      serve: await listenerOf(async (server) => {
        await server.register(fastifyScope, { app })
        server.get('/*', async (request) => {
          await request.scope.get(session)
          return answer
        })
      }),
    },
    {
      name: 'a resource, @fastify/request-context',
      released,
      serve: await listenerOf(async (server) => {
        await server.register(fastifyRequestContext)
        server.addHook('onResponse', async () => {
          const held = requestContext.get('session')
          if (held !== undefined) await release(held)
        })
        server.get('/*', async () => {
          requestContext.set('session', await acquire())
          return answer
        })
      }),
    },
    {
      name: 'a resource, @fastify/awilix',
      released,
      serve: await listenerOf(async (server) => {
        await server.register(fastifyAwilixPlugin, { disposeOnResponse: true })
        server.addHook('onRequest', async (request) => {
          request.diScope.register({
            session: asFunction(acquire, {
              lifetime: Lifetime.SCOPED,
              dispose: async (held) => release(await held),
            }),
          })
        })
        server.get('/*', async (request) => {
          await request.diScope.cradle.session
          return answer
        })
      }),
    },
  ]
  return {
    question: 'What does a scope for each request of Fastify cost?',
    variants,
    [Symbol.asyncDispose]: () => app.close(),
  }
}
