/** Hooks of Fastify that answer in the place of the handler, as those do that turn a stranger away. */
import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { describe, test } from 'node:test'

import fastify, { type FastifyReply, type FastifyRequest } from 'fastify'
import { createApp } from 'unwind'
import { fastifyScope } from 'unwind/fastify'
import { listen, scoped } from 'unwind/http'

import { ask, Peer } from './support/client.ts'
import { turn } from './support/scoped-site.ts'

type Hook = (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>

interface Served {
  readonly port: number
  readonly log: string[]
  /** Resolves when nothing is live. */
  readonly ended: () => Promise<void>
  readonly stop: () => Promise<void>
}

const hooks = ['onRequest', 'preParsing', 'preValidation', 'preHandler'] as const

/** @param before whether Fastify has waited for another hook by then */
async function serving(name: (typeof hooks)[number], hook: Hook, before: boolean): Promise<Served> {
  const log: string[] = []
  const app = createApp()
  const server = fastify()
  await server.register(fastifyScope, { app })
  if (before) server.addHook('onRequest', turn)
  server.addHook(name as 'onRequest', hook)
  server.get('/', async () => {
    log.push('the handler ran')
    return 'secret'
  })
  await server.listen({ port: 0, host: '127.0.0.1' })
  const { port } = server.server.address() as { port: number }
  const ended = async (): Promise<void> => {
    while (app.inspect().children.length > 0) await turn()
  }
  return { port, log, ended, stop: () => server.close() }
}

for (const name of hooks) {
  describe(`a hook ${name} that answers`, () => {
    for (const status of [200, 401]) {
      for (const [what, hold] of [
        ['nothing is held', () => {}],
        [
          'what is held takes a while to be released',
          ({ scope }) => {
            scope.defer(turn)
          },
        ],
      ] as readonly (readonly [string, (request: FastifyRequest) => void])[]) {
        for (const before of [true, false]) {
          test(`with ${status} is the last thing to run, where ${what}${before ? ', after another hook' : ''}`, async () => {
            const hook: Hook = async (request, reply) => {
              hold(request)
              reply.code(status).send('no')
            }
            const { port, log, ended, stop } = await serving(name, hook, before)
            const answer = await ask({ port }, '/')
            assert.deepEqual([answer.status, answer.body], [status, 'no'])
            await ended()
            assert.deepEqual(log, [])
            await stop()
          })
        }
      }
    }

    test('is that, too, where it waits for its answer and the client leaves meanwhile', async () => {
      const left = Promise.withResolvers<void>()
      const hook: Hook = async ({ scope, raw }, reply) => {
        scope.defer(async () => {
          peer.reset()
          while (!raw.socket.destroyed) await turn()
          await turn()
          left.resolve()
        })
        return reply.code(401).send('no')
      }
      const { port, log, ended, stop } = await serving(name, hook, true)
      using peer = await Peer.connect({ port })
      peer.get('/')
      await left.promise
      await ended()
      await turn()
      assert.deepEqual(log, [])
      await stop()
    })
  })
}

test('a hook that answers with 401 completes nothing', async () => {
  const statuses: string[] = []
  const hook: Hook = async ({ scope }, reply) => {
    scope.defer(({ status }) => void statuses.push(status))
    reply.code(401).send('no')
  }
  for (const before of [true, false]) {
    const { port, ended, stop } = await serving('onRequest', hook, before)
    assert.equal((await ask({ port }, '/')).status, 401)
    await ended()
    await stop()
  }
  assert.deepEqual(statuses, ['unknown', 'unknown'])
})

test("Fastify inside of scoped with closeAt 'answer' runs no handler either, after a hook that has answered", async () => {
  const ran: string[] = []
  const app = createApp()
  const server = fastify()
  server.addHook('preHandler', async (_request, reply) => {
    reply.code(401).send('no')
  })
  server.get('/', async () => {
    ran.push('the handler ran')
    return 'secret'
  })
  await server.ready()
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    server.routing(request, response)
  }
  const around = createServer(scoped(app, listener, { closeAt: 'answer' }))
  const listening = await listen(app, around, { port: 0, host: '127.0.0.1', linger: 0 })
  const { status, body } = await ask(listening, '/')
  assert.deepEqual([status, body, ran], [401, 'no', []])
  await app.close()
})
