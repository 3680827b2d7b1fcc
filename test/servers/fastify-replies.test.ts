import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { describe, test } from 'node:test'

import { fastify, type FastifyReply, type FastifyRequest } from 'fastify'
import { createApp } from 'unwind'
import { fastifyScope } from 'unwind/fastify'

import { turn } from './support/scoped-site.ts'

type Route = (request: FastifyRequest, reply: FastifyReply) => unknown

interface Got {
  readonly status: number
  readonly body: string
  /** How the scope of the request ended. */
  readonly outcome: string
}

/** Ask a server with `route` once. Whatever nobody handles fails the test by itself. */
async function get(route: Route, commit?: () => unknown, hooked = false): Promise<Got> {
  const app = createApp()
  const server = fastify()
  await server.register(fastifyScope, { app })
  if (hooked) {
    server.addHook('onSend', async (_request, _reply, payload) => {
      await turn()
      return payload
    })
  }
  const ended = Promise.withResolvers<string>()
  server.get('/', (request, reply) => {
    request.scope.defer(({ status }) => ended.resolve(status))
    if (commit !== undefined) request.scope.defer(commit)
    return route(request, reply)
  })
  const { statusCode: status, body } = await server.inject('/')
  const outcome = await ended.promise
  await server.close()
  return { status, body, outcome }
}

async function* pieces() {
  for (const piece of ['o', 'n', 'e']) {
    await turn()
    yield piece
  }
}

const payloads: readonly (readonly [string, () => unknown])[] = [
  ['a value', () => ({ toJSON: () => 'one' })],
  ['a text', () => '"one"'],
  ['a stream', () => Readable.from(pieces())],
]

const routes: readonly (readonly [string, (payload: () => unknown) => Route])[] = [
  ['returned', (payload) => async () => payload()],
  ['sent, with the reply returned', (payload) => async (_, reply) => reply.send(payload())],
  [
    'sent, with the reply awaited',
    (payload) => async (_, reply) => {
      await reply.send(payload())
    },
  ],
  [
    'sent as the last step of an async handler',
    (payload) => async (_, reply) => {
      await turn()
      void reply.send(payload())
    },
  ],
  [
    'sent by a handler without a promise',
    (payload) => (_, reply) => {
      void reply.send(payload())
    },
  ],
]

describe('a handler of Fastify succeeds, and its client gets', () => {
  for (const [what, payload] of payloads) {
    for (const [how, route] of routes) {
      test(`${what} that is ${how}`, async () => {
        const { status, body, outcome } = await get(route(payload))
        assert.equal(body.replaceAll('"', ''), 'one')
        assert.deepEqual([status, outcome], [200, 'success'])
      })
    }
    for (const [how, route] of routes.slice(0, 3)) {
      test(`${what} that is ${how}, through a hook that takes its time`, async () => {
        const { status, body, outcome } = await get(route(payload), undefined, true)
        assert.equal(body.replaceAll('"', ''), 'one')
        assert.deepEqual([status, outcome], [200, 'success'])
      })
    }
  }

  for (const how of ['returns', 'awaits'] as const) {
    test(`what is sent later for a handler that ${how} its reply`, async () => {
      const got = await get(async (_, reply) => {
        setImmediate(() => void reply.send('one'))
        if (how === 'returns') return reply
        await reply
        return undefined
      })
      assert.deepEqual(got, { status: 200, body: 'one', outcome: 'success' })
    })
  }
})

describe('an async handler of Fastify that calls reply.send() and returns nothing', () => {
  test('is answered with the error where its commit fails', async () => {
    const got = await get(
      async (_, reply) => {
        void reply.send('one')
      },
      async () => {
        await turn()
        throw new Error('not committed')
      },
    )
    assert.equal(got.status, 500)
    assert.match(got.body, /not committed/)
  })

  test('is answered with the error where it throws in the same step', async () => {
    const got = await get(async (_, reply) => {
      void reply.send('one')
      throw new Error('lost')
    })
    assert.deepEqual([got.status, got.outcome], [500, 'failure'])
  })

  test('is answered with the first of two answers', async () => {
    const got = await get(async (_, reply) => {
      void reply.send('one')
      void reply.send('two')
    })
    assert.deepEqual(got, { status: 200, body: 'one', outcome: 'success' })
  })
})

describe('a stream of Fastify that fails before its first piece', () => {
  const streams: readonly (readonly [string, () => unknown])[] = [
    ['of Node.js', () => new Readable({ read: failNow })],
    ['of Node.js, later', () => new Readable({ read: failLater })],
    ['of the web', () => new ReadableStream({ pull: () => Promise.reject(broken) })],
  ]
  for (const [what, stream] of streams) {
    for (const [how, route] of routes) {
      test(`${what}, ${how}, is answered with its error`, async () => {
        const { status, body, outcome } = await get(route(stream))
        assert.deepEqual([status, outcome], [404, 'failure'])
        assert.match(body, /no such order/)
      })
    }
  }
})

function failNow(this: Readable): void {
  this.destroy(broken)
}

function failLater(this: Readable): void {
  setImmediate(() => this.destroy(broken))
}

const broken = Object.assign(new Error('no such order'), { statusCode: 404 })

describe('an error is a failure of a handler of Fastify, and its client gets it, where it is', () => {
  const erring: readonly (readonly [string, Route])[] = [
    ['thrown', async () => Promise.reject(broken)],
    ['returned by an async handler', async () => broken],
    ['sent, with the reply returned', async (_, reply) => reply.send(broken)],
    ['sent as the last step of an async handler', async (_, reply) => void reply.send(broken)],
    ['sent by a handler without a promise', (_, reply) => void reply.send(broken)],
    [
      'sent by a callback of a handler without a promise',
      (_, reply) => void setImmediate(() => void reply.send(broken)),
    ],
  ]
  for (const [how, route] of erring) {
    test(how, async () => {
      const { status, body, outcome } = await get(route)
      assert.deepEqual([status, outcome], [404, 'failure'])
      assert.match(body, /no such order/)
    })
  }

  test('sent in the middle of an async handler, whose scope stays open until its end', async () => {
    const states: string[] = []
    const { status, outcome } = await get(async ({ scope }, reply) => {
      void reply.send(broken)
      for (let turns = 0; turns < 5; turns += 1) await turn()
      states.push(scope.state)
    })
    assert.deepEqual([status, outcome, states], [404, 'failure', ['open']])
  })
})

test('an onSend hook finds the scope open, also where a hook before the handler answers', async () => {
  const states: string[] = []
  const app = createApp()
  const server = fastify()
  await server.register(fastifyScope, { app })
  server.addHook('onSend', async ({ scope, url }) => void states.push(`${url} ${scope.state}`))
  server.addHook('preHandler', async ({ url, scope }, reply) => {
    scope.defer(() => states.push(`${url} released`))
    if (url === '/early') return reply.send('early')
    if (url === '/refused') throw broken
    return undefined
  })
  for (const path of ['/handled', '/early', '/refused']) server.get(path, async () => 'handled')
  const answers = [await server.inject('/handled'), await server.inject('/early')]
  answers.push(await server.inject('/refused'))
  assert.deepEqual(
    answers.map(({ body }) => body.slice(0, 7)),
    ['handled', 'early', '{"statu'],
  )
  assert.deepEqual(
    states,
    ['/handled', '/early', '/refused'].flatMap((path) => [`${path} open`, `${path} released`]),
  )
  await server.close()
})

describe('an answer of Fastify without a route', () => {
  /** Ask for what there is no route for, and what happened in which order. */
  async function getNothing(status: number, complete = false): Promise<readonly string[]> {
    const log: string[] = []
    const app = createApp()
    const server = fastify()
    await server.register(fastifyScope, { app })
    server.addHook('onRequest', async ({ scope }) => {
      scope.defer((exit) => log.push(exit.status))
      if (complete) scope.complete()
    })
    server.addHook('onSend', async ({ scope }) => void log.push(`hook ${scope.state}`))
    if (status !== 404) server.setNotFoundHandler(async (_, reply) => reply.code(status).send('x'))
    const answer = await server.inject('/')
    assert.equal(answer.statusCode, status)
    await server.close()
    return log
  }

  test('that completes nothing closes its scope after the hooks', async () => {
    assert.deepEqual(await getNothing(404), ['hook open', 'unknown'])
    assert.deepEqual(await getNothing(403), ['hook open', 'unknown'])
    assert.deepEqual(await getNothing(503), ['hook open', 'failure'])
  })

  test('that completes something closes its scope before it is sent', async () => {
    assert.deepEqual(await getNothing(200), ['success', 'hook closed'])
    assert.deepEqual(await getNothing(404, true), ['success', 'hook closed'])
  })
})

test('what Fastify cannot send is a 500, although its scope closed before', async () => {
  const got = await get(async (_, reply) => {
    reply.type('text/html')
    return 5
  })
  assert.equal(got.status, 500)
  assert.match(got.body, /invalid type/)
})
