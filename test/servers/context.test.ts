import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import { EventEmitter } from 'node:events'
import { createServer } from 'node:http'
import { describe, test } from 'node:test'

import busboy from 'busboy'
import express from 'express'
import { fastify } from 'fastify'
import Koa from 'koa'
import multer from 'multer'
import { createApp, currentScope, tryCurrentScope, type Scope } from 'unwind'
import { expressScope } from 'unwind/express'
import { fastifyScope } from 'unwind/fastify'
import { koaListener } from 'unwind/koa'

import { ask } from './support/client.ts'
import { kinds } from './support/kinds.ts'
import { openScoped, turn } from './support/scoped-site.ts'
import { Site } from './support/site.ts'

const boundary = 'between'
const form = [
  `--${boundary}`,
  'Content-Disposition: form-data; name="file"; filename="a.txt"',
  'Content-Type: text/plain',
  '',
  'content',
  `--${boundary}--`,
  '',
].join('\r\n')
const multipart = { 'content-type': `multipart/form-data; boundary=${boundary}` }

for (const kind of kinds) {
  describe(`the scope of a request with ${kind.name}`, () => {
    test('is ambient in all that its handler starts', async () => {
      await using site = await Site.serve(kind, async ({ scope }) => {
        const emitter = new EventEmitter()
        const found: (Scope | undefined)[] = []
        const note = (): unknown => found.push(tryCurrentScope())
        emitter.on('event', note)
        emitter.emit('event')
        await new Promise((resolve) => setImmediate(() => resolve(note())))
        await new Promise((resolve) => setTimeout(() => resolve(note()), 1))
        await new Promise<void>((resolve) => queueMicrotask(() => resolve(void note())))
        await new Promise<void>((resolve) => process.nextTick(() => resolve(void note())))
        return { body: String(found.every((one) => one === scope)) }
      })
      assert.equal((await kind.ask(site, '/')).body, 'true')
    })

    test('is never that of another, however they interleave', async () => {
      let strangers = 0
      await using site = await Site.serve(kind, async ({ scope }) => {
        for (let step = 0; step < 100; step += 1) {
          await turn()
          if (currentScope() !== scope) strangers += 1
        }
        return { body: scope.name }
      })
      const paths = Array.from({ length: 10 }, (_, index) => `/${index}`)
      const answers = await Promise.all(paths.map((path) => kind.ask(site, path)))
      assert.deepEqual(
        answers.map(({ body }) => body),
        paths.map((path) => `GET ${path}`),
      )
      assert.equal(strangers, 0)
    })

    test('is ambient again after a block in a scope of its own', async () => {
      await using site = await Site.serve(kind, async ({ scope }) => {
        await scope.run(async (inner) => {
          await turn()
          assert.equal(currentScope(), inner)
        })
        assert.equal(currentScope(), scope)
        return { body: 'done' }
      })
      assert.equal((await kind.ask(site, '/')).body, 'done')
    })

    test('leaves the storages of others as they are', async () => {
      const storages = Array.from({ length: 5 }, () => new AsyncLocalStorage<number>())
      const around = (body: () => Promise<unknown>): Promise<unknown> =>
        storages.reduce((inner, storage, value) => () => storage.run(value, inner), body)()
      const seen: (number | undefined)[] = []
      await using site = await Site.serve(kind, async ({ scope }) => {
        await around(async () => {
          scope.defer(() => tryCurrentScope())
          await turn()
          seen.push(...storages.map((storage) => storage.getStore()))
          assert.equal(currentScope(), scope)
        })
        return { body: 'done' }
      })
      await kind.ask(site, '/')
      assert.deepEqual(seen, [0, 1, 2, 3, 4])
    })
  })
}

describe('the scope of a request is ambient', () => {
  test('in every hook of Fastify, and after a parser that lost it', async () => {
    const app = createApp()
    const found: [string, boolean][] = []
    const server = fastify()
    await server.register(fastifyScope, { app })
    const note = (hook: string, scope: Scope): unknown =>
      found.push([hook, scope !== null && tryCurrentScope() === scope])
    server.addHook('onRequest', async ({ scope }) => void note('onRequest', scope))
    server.addHook('preParsing', async ({ scope }) => void note('preParsing', scope))
    server.addHook('preValidation', async ({ scope }) => void note('preValidation', scope))
    server.addHook('preHandler', async ({ scope }) => void note('preHandler', scope))
    server.addHook('preSerialization', async ({ scope }) => void note('preSerialization', scope))
    server.addHook('onSend', async ({ scope }) => void note('onSend', scope))
    const lost = new AsyncLocalStorage<undefined>()
    const outside = AsyncLocalStorage.snapshot()
    server.addContentTypeParser('text/lost', { parseAs: 'string' }, (_request, body, done) => {
      outside(() => lost.run(undefined, () => setImmediate(() => done(null, body))))
    })
    server.post('/', async ({ scope }) => {
      note('handler', scope)
      return { done: true }
    })
    const headers = { 'content-type': 'text/lost' }
    const response = await server.inject({ method: 'POST', url: '/', headers, payload: 'text' })
    assert.equal(response.statusCode, 200)
    const hooks = ['onRequest', 'preParsing', 'preValidation', 'preHandler', 'handler']
    const expected = [...hooks, 'preSerialization', 'onSend'].map((hook) => [hook, true])
    assert.deepEqual(found, expected)
    await server.close()
  })

  test('after the body parsers and multer of Express', async () => {
    const server = express().set('env', 'test')
    await using site = await Site.open((made) => {
      server.use(expressScope(made.app))
      server.use(express.json(), express.text(), express.urlencoded({ extended: true }))
      server.post('/form', multer().any())
      server.use((request, response) => {
        made.watch(request.scope)
        response.send(String(currentScope() === request.scope))
      })
      return server
    })
    for (const [path, type, body] of [
      ['/', 'application/json', '{"a":1}'],
      ['/', 'text/plain', 'text'],
      ['/', 'application/x-www-form-urlencoded', 'a=1'],
      ['/form', multipart['content-type'], form],
    ] as const) {
      const headers = { 'content-type': type }
      assert.equal((await ask(site, path, { method: 'POST', body, headers })).body, 'true', type)
    }
  })

  test('in what scope.bind() wraps, where the events of a socket have lost it', async () => {
    await using site = await openScoped(async (request, response) => {
      const scope = currentScope()
      const parser = busboy({ headers: request.headers })
      const bound = await new Promise<boolean>((resolve) => {
        parser.on(
          'file',
          scope.bind((_name: string, file: NodeJS.ReadableStream) => {
            file.resume()
            file.on(
              'end',
              scope.bind(() => resolve(currentScope() === scope)),
            )
          }),
        )
        request.pipe(parser)
      })
      response.end(String(bound))
    })
    const asked = { method: 'POST', body: form, headers: multipart }
    assert.equal((await ask(site, '/', asked)).body, 'true')
  })

  test('in the streamed body of Koa, and in its error event', async () => {
    const koa = new Koa()
    const found: boolean[] = []
    let scope: Scope | undefined
    koa.on('error', () => found.push(tryCurrentScope() === scope))
    koa.use(async (ctx) => {
      scope = ctx.scope
      if (ctx.path === '/fails') throw new Error('no')
      ctx.body = ReadableStream.from(
        (async function* pieces() {
          await turn()
          found.push(tryCurrentScope() === scope)
          yield 'piece'
        })(),
      )
    })
    await using site = await Site.open((made) => koaListener(made.app, koa), createServer())
    assert.equal((await ask(site, '/')).body, 'piece')
    assert.equal((await ask(site, '/fails')).status, 500)
    assert.deepEqual(found, [true, true])
  })
})
