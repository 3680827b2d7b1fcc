/** Requests whose client has left before an adapter sees them: the application has waited for something first. */
import assert from 'node:assert/strict'
import type { EventEmitter } from 'node:events'
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http'
import { connect, createServer } from 'node:http2'
import { describe, test } from 'node:test'

import express from 'express'
import type { Scope } from 'unwind'
import { expressScope } from 'unwind/express'
import { handle } from 'unwind/http'

import { Peer } from './support/client.ts'
import { untilAborted } from './support/scoped-site.ts'
import { Site } from './support/site.ts'

/** Resolves when it was called `times` times. */
function calls(times: number): { call: () => void; all: Promise<void> } {
  const { promise, resolve } = Promise.withResolvers<void>()
  let left = times
  const call = (): void => {
    left -= 1
    if (left === 0) resolve()
  }
  return { call, all: promise }
}

/** Calls `listener` with each request once its connection has closed. */
function late(listener: RequestListener, arrived: () => void): RequestListener {
  return (request: IncomingMessage & { stream?: EventEmitter }, response: ServerResponse) => {
    const carrier = request.stream ?? request.socket
    carrier.once('close', () => setImmediate(() => listener(request, response)))
    arrived()
  }
}

/** A server with a handler that waits for its abort, and for nothing else, and sees each request too late. */
async function serve(
  leave: (site: Site, arrived: Promise<void>) => Promise<void>,
  { server, count = 1 }: { server?: Server; count?: number } = {},
): Promise<void> {
  const [arrived, running] = [calls(count), calls(count)]
  await using site = await Site.open((opened) => {
    const wait = (_: unknown, _response: unknown, scope: Scope): Promise<never> => {
      opened.watch(scope)
      running.call()
      return untilAborted(scope)
    }
    return late(handle(opened.app, wait), arrived.call)
  }, server)
  await leave(site, arrived.all)
  await running.all
  assert.deepEqual(await site.statuses(), Array.from({ length: count }).fill('aborted'))
  assert.deepEqual(site.reported, [])
}

describe(
  'a request whose client left before an adapter saw it is aborted',
  { timeout: 10_000 },
  () => {
    test('over HTTP/1.1', () =>
      serve(async (site, arrived) => {
        using peer = await Peer.connect(site)
        peer.get('/')
        await arrived
      }))

    test('where it waits in line behind another', () =>
      serve(
        async (site, arrived) => {
          using peer = await Peer.connect(site)
          peer.get('/1')
          peer.get('/2')
          await arrived
        },
        { count: 2 },
      ))

    test('over HTTP/2', () =>
      serve(
        async (site, arrived) => {
          const session = connect(`http://127.0.0.1:${site.port}`)
          session.request({ ':path': '/' }).on('error', () => {})
          await arrived
          session.destroy()
        },
        // The compatibility API is that of http.
        { server: createServer() as unknown as Server },
      ))

    test('behind a middleware of Express that waited', async () => {
      const [arrived, running] = [calls(1), calls(1)]
      await using site = await Site.open((opened) => {
        const server = express()
        server.use((_request, response, next) => {
          response.once('close', () => setImmediate(next))
          arrived.call()
        })
        server.use(expressScope(opened.app))
        server.get('/', async ({ scope }, response) => {
          opened.watch(scope)
          running.call()
          await untilAborted(scope).catch(() => {})
          response.end()
        })
        return server
      })
      {
        using peer = await Peer.connect(site)
        peer.get('/')
        await arrived.all
      }
      await running.all
      // It fulfilled all the same.
      assert.deepEqual(await site.statuses(), ['success'])
      assert.deepEqual(site.reported, [])
    })
  },
)
