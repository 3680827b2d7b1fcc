/** What Fastify does of an answer that was sent, of one that is held back until its scope closed. */
import assert from 'node:assert/strict'
import { createReadStream } from 'node:fs'
import { describe, test } from 'node:test'

import { fastify, type FastifyReply, type FastifyRequest, type onSendHookHandler } from 'fastify'
import { createApp } from 'unwind'
import { fastifyScope } from 'unwind/fastify'

import { turn } from './support/scoped-site.ts'

type Route = (request: FastifyRequest, reply: FastifyReply) => unknown

interface Got {
  readonly status: number
  readonly body: string
  /** What Fastify warned of. */
  readonly warnings: readonly string[]
  /** How often the error handler was asked. */
  readonly errors: number
  readonly outcome: string
}

async function get(route: Route): Promise<Got> {
  const app = createApp()
  const warnings: string[] = []
  const write = (line: string): void => void warnings.push(JSON.parse(line).msg)
  const server = fastify({ logger: { level: 'warn', stream: { write } } })
  await server.register(fastifyScope, { app, timeout: 60_000 })
  let errors = 0
  server.setErrorHandler((error: Error, _, reply) => {
    errors += 1
    void reply.code(500).send(error.message)
  })
  const ended = Promise.withResolvers<string>()
  server.get('/', (request, reply) => {
    request.scope.defer(({ status }) => ended.resolve(status))
    return route(request, reply)
  })
  await server.listen({ port: 0, host: '127.0.0.1' })
  const { port } = server.server.address() as { port: number }
  const response = await fetch(`http://127.0.0.1:${port}`)
  const body = await response.text()
  const outcome = await ended.promise
  await server.close()
  return { status: response.status, body, warnings, errors, outcome }
}

const warning = 'Reply was already sent, did you forget to "return reply" in "/" (GET)?'

describe('of two answers of a handler of Fastify the first counts, and Fastify warns of the second, where that is', () => {
  const routes: readonly (readonly [string, Route])[] = [
    ['sent', (_, reply) => void reply.send('one').send('two')],
    ['sent by an async handler', async (_, reply) => void reply.send('one').send('two')],
    [
      'returned',
      async (_, reply) => {
        void reply.send('one')
        return 'two'
      },
    ],
    ['an error', (_, reply) => void reply.send('one').send(new Error('two'))],
  ]
  for (const [how, route] of routes) {
    test(how, async () => {
      const got = await get(route)
      assert.deepEqual(got, {
        status: 200,
        body: 'one',
        warnings: [warning],
        errors: 0,
        outcome: 'success',
      })
    })
  }
})

test('a reply of Fastify that was sent says so to its handler, and is waited for', async () => {
  const states: boolean[] = []
  const got = await get(async ({ scope }, reply) => {
    scope.defer(turn)
    void reply.send('one')
    states.push(reply.sent)
    await reply
    states.push(reply.sent, scope.state === 'closed')
  })
  assert.deepEqual(
    [got.status, got.body, got.warnings, states],
    [200, 'one', [], [true, true, true]],
  )
})

for (const [how, route] of [
  [
    'in the same step',
    (_, reply) => {
      void reply.send('one')
      throw new Error('lost')
    },
  ],
  [
    'of an async handler',
    async (_, reply) => {
      void reply.send('one')
      throw new Error('lost')
    },
  ],
] as readonly (readonly [string, Route])[]) {
  test(`what a handler of Fastify throws after it has sent is its answer, ${how}`, async () => {
    const got = await get(route)
    assert.deepEqual([got.status, got.body, got.errors, got.outcome], [500, 'lost', 1, 'failure'])
  })
}

for (const body of ['one', '']) {
  test(`a web stream of ${body === '' ? 'nothing' : 'one piece'} is sent after a head that reply.raw has sent`, async () => {
    const got = await get((_, reply) => {
      reply.raw.writeHead(201)
      void reply.send(new Blob([body]).stream())
    })
    assert.deepEqual([got.status, got.body, got.errors], [201, body, 0])
  })
}

describe('an onSend hook that comes after that of the plugin, and fails, is answered with its error, where it', () => {
  const failing: readonly (readonly [string, () => unknown])[] = [
    ['throws', () => assert.fail('hook')],
    ['rejects', () => Promise.reject(new Error('hook'))],
  ]
  for (const [how, fail] of failing) {
    for (const released of [false, true]) {
      test(`${how}${released ? ', after what takes a while to be released' : ''}`, async () => {
        const app = createApp()
        const server = fastify()
        await server.register(fastifyScope, { app })
        server.addHook('onRoute', (route) => {
          const last = (_: unknown, reply: FastifyReply): unknown =>
            reply.statusCode === 500 ? Promise.resolve() : fail()
          route.onSend = [...[route.onSend ?? []].flat(), last as onSendHookHandler]
        })
        server.get('/', async ({ scope }) => {
          if (released) scope.defer(turn)
          return 'one'
        })
        const { statusCode, body } = await server.inject('/')
        assert.equal(statusCode, 500)
        assert.match(body, /"message":"hook"/)
        await server.close()
      })
    }
  }
})

test('a stream that fails before its first piece is answered with its error, also where there is a deadline', async () => {
  const got = await get(async () => createReadStream('./no such file'))
  assert.deepEqual([got.status, got.errors, got.outcome], [500, 1, 'failure'])
})
