/** Bodies of Koa: what it would find out or end after the scope has closed is found out, and ended, before. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { Readable } from 'node:stream'
import { describe, test } from 'node:test'

import Koa, { type Context } from 'koa'
import type { AdapterOptions } from 'unwind/http'
import { koaListener } from 'unwind/koa'

import { ask, Peer } from './support/client.ts'
import { opened } from './support/kinds.ts'
import { turn, untilAborted } from './support/scoped-site.ts'
import { Site } from './support/site.ts'

function serving(answer: (ctx: Context) => unknown, options: AdapterOptions = {}): Promise<Site> {
  const koa = new Koa()
  koa.silent = true
  const open: Parameters<typeof Site.serve>[0]['open'] = (app, handler) => {
    koa.use(async (ctx) => {
      // Nothing else of the call is used here.
      await handler({ scope: ctx.scope } as Parameters<typeof handler>[0])
      await answer(ctx)
    })
    return opened(createServer(koaListener(app, koa, options)))
  }
  return Site.serve({ open }, async () => ({}))
}

/** One that has begun, and whose end takes a while. */
async function begun(log: string[]): Promise<AsyncGenerator<string>> {
  const pieces = (async function* pieces() {
    try {
      yield 'one,'
      yield 'two'
    } finally {
      await turn()
      log.push('ended')
    }
  })()
  await pieces.next()
  return pieces
}

const circular: { self?: unknown } = {}
circular.self = circular

describe('a body of Koa that cannot be encoded is a failure of its handler: nothing is committed', () => {
  for (const [name, body] of [
    ['a bigint in an object', { id: 1n }],
    ['a bigint', 1n],
    ['a circle', circular],
    ['a function', () => 1],
  ] as const) {
    for (const method of ['GET', 'HEAD']) {
      test(`${name}, for ${method}`, async () => {
        await using site = await serving((ctx) => {
          ctx.body = body
        })
        assert.equal((await ask(site, '/', { method })).status, 500)
        assert.deepEqual(await site.statuses(), ['failure'])
      })
    }
  }
})

test('what Koa sends as JSON it sends as before, with its type and length', async () => {
  await using site = await serving((ctx) => {
    ctx.type = 'application/problem+json'
    ctx.body = { title: 'ä' }
  })
  for (const [method, body] of [
    ['GET', '{"title":"ä"}'],
    ['HEAD', ''],
  ] as const) {
    const answer = await ask(site, '/', { method })
    const { 'content-type': type, 'content-length': length } = answer.headers
    assert.deepEqual([type, length, answer.body], ['application/problem+json', '14', body])
  }
})

describe('a body of Koa that is not sent is ended before anything is released', () => {
  for (const [name, make] of [
    ['a stream', (pieces) => Readable.from(pieces)],
    ['a web stream', (pieces) => ReadableStream.from(pieces)],
    ['a Response', (pieces) => new Response(ReadableStream.from(pieces) as ReadableStream)],
  ] as readonly (readonly [string, (pieces: AsyncGenerator<string>) => unknown])[]) {
    for (const status of [204, 205, 304]) {
      // It brings its own.
      if (name === 'a Response') continue
      test(`${name} with a ${status}`, async () => {
        const log: string[] = []
        await using site = await serving(async (ctx) => {
          ctx.scope.defer((exit) => void log.push(`released: ${exit.status}`))
          ctx.status = status
          ctx.body = make(await begun(log))
        })
        assert.equal((await ask(site, '/')).status, status)
        await site.outcomes()
        assert.deepEqual(log, ['ended', 'released: success'])
      })
    }

    for (const closeAt of ['answer', 'ended'] as const) {
      for (const [who, options] of [
        ['client has left', {}],
        ['deadline was answered for', { timeout: 0 }],
      ] as const) {
        test(`${name} whose ${who}, with closeAt '${closeAt}'`, async () => {
          const log: string[] = []
          const answer = async (ctx: Context): Promise<void> => {
            ctx.scope.defer(() => void log.push('released'))
            const pieces = await begun(log)
            await untilAborted(ctx.scope).catch(() => {})
            ctx.body = make(pieces)
          }
          await using site = await serving(answer, { closeAt, ...options })
          using peer = await Peer.connect(site)
          peer.get('/')
          while (site.watched.length === 0) await turn()
          if (who === 'client has left') peer.reset()
          else await peer.until('503')
          await site.outcomes()
          assert.deepEqual(log, ['ended', 'released'])
        })
      }
    }
  }
})
