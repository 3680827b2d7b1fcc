/** The `handlerTimeout` of Fastify, which answers in the place of a handler that goes on. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as after } from 'node:timers/promises'

import fastify, { type FastifyReply, type FastifyRequest } from 'fastify'
import { createApp } from 'unwind'
import type { AdapterOptions } from 'unwind/http'
import { fastifyScope } from 'unwind/fastify'

import { ask } from './support/client.ts'
import { turn, untilAborted } from './support/scoped-site.ts'

type Handler = (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>

const ms = 20

/** What the client gets, what the handler held has seen, and what was reported. */
async function outcome(handler: Handler, options: AdapterOptions = {}) {
  const reported: unknown[] = []
  const log: string[] = []
  const app = createApp({ onError: (error) => reported.push(error) })
  const server = fastify({ handlerTimeout: ms })
  await server.register(fastifyScope, { app, ...options })
  server.setErrorHandler<Error & { code: string }>((error, _request, reply) => {
    log.push(error.code)
    reply.code(504).send('too late')
  })
  server.get('/', async (request, reply) => {
    request.scope.defer(({ status }) => void log.push(`released: ${status}`))
    return handler(request, reply)
  })
  await server.listen({ port: 0, host: '127.0.0.1' })
  const answer = await ask(server.server.address() as { port: number }, '/')
  while (app.inspect().children.length > 0) await turn()
  await server.close()
  return { answer: [answer.status, answer.body], log, reported }
}

const late = [504, 'too late']
const code = 'FST_ERR_HANDLER_TIMEOUT'

for (const options of [{}, { timeout: 60_000 }]) {
  const which = 'timeout' in options ? ', beside that of its scope' : ''

  test(`a handler that heeds its scope is aborted, and its client has the one answer${which}`, async () => {
    const { answer, log, reported } = await outcome(({ scope }) => untilAborted(scope), options)
    assert.deepEqual([answer, log, reported], [late, [code, 'released: failure'], []])
  })

  test(`a handler that heeds nothing is abandoned${which}`, async () => {
    const never = new Promise<never>(() => {})
    const { answer, log, reported } = await outcome(() => never, { ...options, abandonAfter: 1 })
    assert.deepEqual([answer, log], [late, [code, 'released: failure']])
    assert.match(String(reported), /^AbandonedError/)
  })
}

test('an answer whose scope closes when the time is over stands, as what it commits', async () => {
  const { answer, log } = await outcome(async ({ scope }) => {
    scope.defer(() => after(2 * ms))
    return 'in time'
  })
  assert.deepEqual([answer, log], [[200, 'in time'], ['released: success']])
})
