import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { describe, test } from 'node:test'

import express, { type NextFunction, type Request, type Response as Sent } from 'express'
import { expressHandler, expressScope } from 'unwind/express'

import { ask } from './support/client.ts'
import { openHandled } from './support/handled-site.ts'
import { Site } from './support/site.ts'

const headers = {
  'content-type': 'text/csv',
  'content-length': '3',
  'content-encoding': 'identity',
  etag: '"1"',
  'set-cookie': 'paid=yes',
}

/** Answers whose bytes are known before they are sent. */
const answers: readonly (readonly [string, () => unknown])[] = [
  ['a Response', () => new Response('a,b', { status: 201, statusText: 'Paid', headers })],
  ['a Response without a body', () => new Response(null, { status: 204, headers })],
  ['a stream that has ended', () => Readable.from(['a,b'])],
  ['a value', () => ({ paid: true })],
  ['a text', () => 'paid'],
]

/** What stands on the response when somebody else is to answer. */
function headOf(response: ServerResponse): unknown[] {
  return [response.statusCode, response.statusMessage, { ...response.getHeaders() }]
}

function fail(): never {
  throw new Error('not committed')
}

describe('a commit that fails leaves nothing of the answer on the response, where that was', () => {
  for (const [name, make] of answers) {
    for (const method of ['GET', 'HEAD']) {
      test(`${name}, for the onError of handle(), asked by ${method}`, async () => {
        const seen: unknown[] = []
        const handler = (
          _: unknown,
          response: ServerResponse,
          scope: { defer(f: () => void): void },
        ) => {
          response.setHeader('x-own', 'stays')
          scope.defer(fail)
          return make()
        }
        await using site = await openHandled(handler, {
          onError: (_error, response) => {
            seen.push(headOf(response))
            response.writeHead(503).end()
          },
        })
        const answer = await ask(site, '/', { method })
        assert.deepEqual(seen, [[200, undefined, { 'x-own': 'stays' }]])
        assert.deepEqual([answer.status, answer.headers['set-cookie']], [503, undefined])
      })

      test(`${name}, for the error handlers of Express, asked by ${method}`, async () => {
        const seen: unknown[] = []
        await using site = await Site.open(({ app }) => {
          const server = express().set('env', 'test').disable('x-powered-by')
          server.use(expressScope(app))
          const route = expressHandler((_request, response, scope) => {
            response.set('x-own', 'stays')
            scope.defer(fail)
            return make()
          })
          const answer = (_: Error, _request: Request, response: Sent, _next: NextFunction) => {
            seen.push(headOf(response))
            response.sendStatus(503)
          }
          return server.use(route).use(answer)
        })
        const { status, headers: sent } = await ask(site, '/', { method })
        assert.deepEqual(seen, [[200, undefined, { 'x-own': 'stays' }]])
        assert.deepEqual([status, sent['set-cookie']], [503, undefined])
      })
    }
  }
})

test('a stream that fails before its first piece leaves nothing of its answer either', async () => {
  const seen: unknown[] = []
  const body = (): ReadableStream =>
    new ReadableStream({ start: (controller) => controller.error(new Error('lost')) })
  await using site = await openHandled(() => new Response(body(), { status: 201, headers }), {
    onError: (_error, response) => {
      seen.push(headOf(response))
    },
  })
  assert.equal((await ask(site, '/')).status, 500)
  assert.deepEqual(seen, [[200, undefined, {}]])
})
