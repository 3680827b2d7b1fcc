import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'

import express from 'express'
import { fastify } from 'fastify'
import { Hono } from 'hono'
import { inject as injectRequest } from 'light-my-request'
import { createApp, currentScope, type App, type Exit } from 'unwind'
import { expressHandler, expressScope } from 'unwind/express'
import { fastifyScope } from 'unwind/fastify'
import { honoFetch, honoScope } from 'unwind/hono'
import { handle, scoped } from 'unwind/http'
import supertest from 'supertest'

/** What a test sees of the one request that it sent. */
interface Seen {
  readonly exit: Promise<Exit>
  readonly signals: AbortSignal[]
  /** To be called by the handler. */
  readonly watch: () => void
}

function seen(): Seen {
  const { promise, resolve } = Promise.withResolvers<Exit>()
  const signals: AbortSignal[] = []
  const watch = (): void => {
    const scope = currentScope()
    signals.push(scope.signal)
    scope.defer(resolve)
  }
  return { exit: promise, signals, watch }
}

async function check(app: App, { exit, signals }: Seen): Promise<void> {
  assert.equal((await exit).status, 'success')
  assert.deepEqual(
    signals.map(({ aborted }) => aborted),
    [false],
  )
  assert.deepEqual(app.inspect().children, [])
  await app.close()
}

describe('a request that no client sent', () => {
  test('by inject() of Fastify has a scope that closes with success', async () => {
    const app = createApp()
    const one = seen()
    const server = fastify()
    await server.register(fastifyScope, { app })
    server.get('/', async ({ scope }) => {
      one.watch()
      return { same: scope === currentScope() }
    })
    const response = await server.inject('/')
    assert.deepEqual(response.json(), { same: true })
    await check(app, one)
    await server.close()
  })

  test('by request() of Hono has a scope that closes with success', async () => {
    const app = createApp()
    const one = seen()
    const hono = new Hono().use(honoScope(app)).get('/', (c) => {
      one.watch()
      return c.json({ same: c.var.scope === currentScope() })
    })
    const response = await hono.request('/')
    assert.deepEqual(await response.json(), { same: true })
    await check(app, one)
  })

  test('by the function of honoFetch has a scope that closes with success, once its stream has ended', async () => {
    const app = createApp()
    const one = seen()
    const hono = new Hono().get('/', (c) => {
      one.watch()
      const scope = currentScope()
      const pieces = async function* pieces(): AsyncGenerator<Uint8Array> {
        for (let piece = 0; piece < 3; piece += 1) {
          await new Promise(setImmediate)
          yield Buffer.from(`${scope.state} `)
        }
      }
      return c.body(ReadableStream.from(pieces()))
    })
    const response = await honoFetch(app, hono)(new Request('http://localhost/'))
    assert.equal(await response.text(), 'open open open ')
    await check(app, one)
  })

  test('by request() of Hono gives a failed commit to onError, and aborts with the request', async () => {
    const app = createApp()
    const hono = new Hono().use(honoScope(app)).get('/', (c) => {
      c.var.scope.defer(() => {
        throw new Error('not committed')
      })
      return c.text('done')
    })
    hono.onError((error, c) => c.text(error.message, 500))
    const response = await hono.request('/')
    assert.deepEqual([response.status, await response.text()], [500, 'not committed'])
    assert.deepEqual(app.inspect().children, [])
    await app.close()
  })

  for (const by of ['honoFetch', 'honoScope'] as const) {
    test(`to ${by} that fails in time is answered by Hono`, async () => {
      const app = createApp()
      const limits = { timeout: 60_000 }
      const hono = new Hono()
      if (by === 'honoScope') hono.use(honoScope(app, limits))
      hono.get('/', () => {
        throw new Error('refused')
      })
      hono.onError((error, c) => c.text(error.message, 409))
      const fetch = by === 'honoFetch' ? honoFetch(app, hono, limits) : hono.fetch
      const answer = await fetch(new Request('http://localhost/'))
      assert.deepEqual([answer.status, await answer.text()], [409, 'refused'])
      await app.close()
    })

    test(`to ${by} whose handler ends with its time has nothing left to report`, async () => {
      const reported: unknown[] = []
      const app = createApp({ onError: (error) => reported.push(error) })
      const limits = { timeout: 10 }
      const hono = new Hono()
      if (by === 'honoScope') hono.use(honoScope(app, limits))
      hono.get('/', async () => await pause(60_000, undefined, { signal: currentScope().signal }))
      hono.onError((_error, c) => c.text('not in time', 500))
      const fetch = by === 'honoFetch' ? honoFetch(app, hono, limits) : hono.fetch
      assert.equal((await fetch(new Request('http://localhost/'))).status, 503)
      await app.shutdown()
      assert.deepEqual(reported, [])
    })

    test(`to ${by} whose time is over is answered with 503, and completes nothing afterwards`, async () => {
      const reported: unknown[] = []
      const app = createApp({ onError: (error) => reported.push(error) })
      const exits: string[] = []
      const log: string[] = []
      const answers: Response[] = []
      const answered = Promise.withResolvers<void>()
      const hono = new Hono()
      if (by === 'honoScope') hono.use(honoScope(app, { timeout: 10 }))
      hono.get('/:what', async (c) => {
        const scope = currentScope()
        scope.defer(({ status }) => exits.push(status))
        if (c.req.param('what') === 'failing') scope.defer(() => Promise.reject(new Error('late')))
        await answered.promise
        if (c.req.param('what') !== 'stream') return c.text('late')
        return c.body(new ReadableStream({ cancel: () => void log.push('cancelled') }))
      })
      const fetch = by === 'honoFetch' ? honoFetch(app, hono, { timeout: 10 }) : hono.fetch
      for (const what of ['text', 'stream', 'failing']) {
        answers.push(await fetch(new Request(`http://localhost/${what}`)))
      }
      answered.resolve()
      while (app.inspect().children.length > 0) await new Promise(setImmediate)
      await new Promise(setImmediate)
      assert.deepEqual(exits, ['aborted', 'aborted', 'aborted'])
      for (const answer of answers) {
        assert.deepEqual([answer.status, await answer.text()], [503, 'Service Unavailable'])
      }
      // The middleware sees nothing of it: Hono has an answer by then.
      assert.deepEqual(log, by === 'honoFetch' ? ['cancelled'] : [])
      assert.deepEqual(
        reported.map((chain) => (chain as SuppressedError).error.message),
        ['late'],
      )
      await app.close()
    })
  }

  for (const [name, make] of [
    [
      'scoped()',
      (app: App, watch: () => void) =>
        scoped(app, (_request, response) => {
          watch()
          response.end('done')
        }),
    ],
    [
      'handle()',
      (app: App, watch: () => void) =>
        handle(app, async () => {
          watch()
          return 'done'
        }),
    ],
    [
      'expressHandler()',
      (app: App, watch: () => void) =>
        express().use(
          expressScope(app),
          expressHandler(async () => {
            watch()
            return 'done'
          }),
        ),
    ],
  ] as const) {
    test(`by a test harness to ${name} has a scope that closes with success`, async () => {
      // Express gives a response another prototype, which that of light-my-request does not bear.
      const ways = name === 'expressHandler()' ? ['supertest'] : ['supertest', 'light-my-request']
      for (const through of ways) {
        const app = createApp()
        const one = seen()
        const listener = make(app, one.watch)
        const body =
          through === 'supertest'
            ? (await supertest(createServer(listener)).get('/')).text
            : (await injectRequest(listener, { url: '/' })).payload
        assert.equal(body, 'done')
        await check(app, one)
      }
    })
  }

  test('to a Fastify server whose plugin is not awaited has a scope all the same, closed before the answer', async () => {
    const app = createApp()
    const server = fastify()
    void server.register(fastifyScope, { app })
    server.get('/', async ({ scope }) => {
      scope.defer(({ status }) => {
        if (status === 'success') throw new Error('not committed')
      })
      return 'done'
    })
    assert.equal((await server.inject('/')).statusCode, 500)
    await server.close()
  })
})
