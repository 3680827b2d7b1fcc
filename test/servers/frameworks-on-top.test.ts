// oxlint-disable-next-line import/no-unassigned-import -- what Nest keeps its decorators with
import 'reflect-metadata'

import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { describe, test } from 'node:test'

import { Controller, Get, Module } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { initTRPC } from '@trpc/server'
import { createHTTPHandler } from '@trpc/server/adapters/standalone'
import { currentScope, inject, resource, type Scope } from 'unwind'
import { scoped } from 'unwind/http'

import { ask, Peer } from './support/client.ts'
import { untilAborted } from './support/scoped-site.ts'
import { Site } from './support/site.ts'

/** The part of Yoga that is used: its own types bring those of the browser, which contradict the ones of Node.js. */
interface Yoga {
  createSchema(definition: { typeDefs: string; resolvers: { Query: object } }): object
  createYoga(options: { schema: object; logging: boolean; context: () => object }): Listener
}

const module: string = 'graphql-yoga'
const { createSchema, createYoga } = (await import(module)) as Yoga

const json = { 'content-type': 'application/json' }

/** Counts what is open, and knows the scope that it belongs to. */
class Sessions {
  open = 0
  readonly resource = resource({
    name: 'session',
    acquire: ({ scope }) => {
      this.open += 1
      return { name: scope.name }
    },
    release: () => {
      this.open -= 1
    },
  })
}

describe('GraphQL Yoga in scoped()', () => {
  test('resolves in the scope of its request, which closes with the answer or with the client', async () => {
    const sessions = new Sessions()
    const running = Promise.withResolvers<void>()
    const yoga = createYoga({
      logging: false,
      context: () => ({ scope: currentScope() }),
      schema: createSchema({
        typeDefs: 'type Query { name: String, same: Boolean, never: String }',
        resolvers: {
          Query: {
            name: async () => (await inject(sessions.resource)).name,
            same: (_root: unknown, _parameters: unknown, { scope }: { scope: Scope }) =>
              scope === currentScope(),
            never: async () => {
              running.resolve()
              return untilAborted(currentScope())
            },
          },
        },
      }),
    })
    await using site = await Site.open((made) => watched(made, yoga))
    const query = JSON.stringify({ query: '{ name same }' })
    const answer = await ask(site, '/graphql', { method: 'POST', body: query, headers: json })
    assert.deepEqual(JSON.parse(answer.body), { data: { name: 'POST /graphql', same: true } })
    using peer = await Peer.connect(site)
    peer.get('/graphql?query=%7Bnever%7D', 'Accept: application/json')
    await running.promise
    peer.reset()
    await site.outcomes()
    assert.equal(sessions.open, 0)
  })
})

describe('tRPC in scoped()', () => {
  test('runs its procedures in the scope of their request, a batch of them in one', async () => {
    const sessions = new Sessions()
    const running = Promise.withResolvers<void>()
    const { procedure, router } = initTRPC.context<{ scope: Scope }>().create()
    const listener = createHTTPHandler({
      router: router({
        name: procedure.query(async ({ ctx }) => (await ctx.scope.get(sessions.resource)).name),
        same: procedure.query(({ ctx }) => ctx.scope === currentScope()),
        never: procedure.query(async ({ ctx }) => {
          running.resolve()
          return untilAborted(ctx.scope)
        }),
      }),
      createContext: () => ({ scope: currentScope() }),
    })
    await using site = await Site.open((made) => watched(made, listener))
    const { body } = await ask(site, '/name,same?batch=1')
    const results = JSON.parse(body) as { result: { data: unknown } }[]
    assert.deepEqual(
      results.map(({ result }) => result.data),
      ['GET /name,same', true],
    )
    using peer = await Peer.connect(site)
    peer.get('/never')
    await running.promise
    peer.reset()
    await site.outcomes()
    assert.equal(sessions.open, 0)
  })

  test('fails a procedure in a scope of its own with its commit, also where results are streamed', async () => {
    const { procedure, router } = initTRPC.create()
    const committed = procedure.use(({ next }) =>
      currentScope().run({ kind: 'request' }, async (own) => {
        const result = await next()
        if (!result.ok) own.fail(result.error)
        return result
      }),
    )
    const outcomes: string[] = []
    const listener = createHTTPHandler({
      router: router({
        unpaid: committed.query(() => {
          currentScope().defer(() => {
            throw new Error('not committed')
          })
        }),
        refused: committed.query(() => {
          currentScope().defer(({ status }) => void outcomes.push(status))
          throw new Error('refused')
        }),
      }),
    })
    await using site = await Site.open((made) => watched(made, listener))
    const headers = { 'trpc-accept': 'application/jsonl' }
    const { body } = await ask(site, '/unpaid,refused?batch=1', { headers })
    assert.match(body, /"message":"not committed"/)
    assert.match(body, /"message":"refused"/)
    assert.doesNotMatch(body, /"result"/)
    assert.deepEqual(outcomes, ['failure'])
  })
})

describe('Nest in scoped()', () => {
  test('runs its controllers in the scope of their request, which closes with the answer or with the client', async () => {
    const sessions = new Sessions()
    const running = Promise.withResolvers<void>()
    class Orders {
      async name(): Promise<{ name: string }> {
        return inject(sessions.resource)
      }

      async never(): Promise<never> {
        running.resolve()
        return untilAborted(currentScope())
      }

      fails(): never {
        throw new Error('no')
      }
    }
    // What the decorators do, which not every Node.js can read.
    decorate(Orders, 'name')
    decorate(Orders, 'never')
    decorate(Orders, 'fails')
    Controller()(Orders)
    // oxlint-disable-next-line typescript/no-extraneous-class -- a module of Nest is one
    class Shop {}
    Module({ controllers: [Orders] })(Shop)
    const nest = await NestFactory.create(Shop, { logger: false })
    await nest.init()
    // The listener of the platform, Express here.
    const express = nest.getHttpAdapter().getInstance() as (
      request: IncomingMessage,
      response: ServerResponse,
    ) => void
    await using site = await Site.open((made) => watched(made, express), createServer())
    assert.deepEqual(JSON.parse((await ask(site, '/name')).body), { name: 'GET /name' })
    assert.equal((await ask(site, '/fails')).status, 500)
    using peer = await Peer.connect(site)
    peer.get('/never')
    await running.promise
    peer.reset()
    assert.deepEqual((await site.statuses()).slice(0, 2), ['success', 'failure'])
    assert.equal(sessions.open, 0)
    await nest.close()
  })
})

function decorate(controller: { readonly prototype: object }, method: string): void {
  const descriptor = Object.getOwnPropertyDescriptor(controller.prototype, method)
  assert(descriptor !== undefined)
  Get(method)(controller.prototype, method, descriptor)
}

type Listener = (request: IncomingMessage, response: ServerResponse) => unknown

function watched(site: Site, listener: Listener) {
  return scoped(site.app, (request: IncomingMessage, response: ServerResponse) => {
    site.watch()
    return listener(request, response)
  })
}
