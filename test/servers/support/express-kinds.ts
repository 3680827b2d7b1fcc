/** The suite's handlers as routes of Express: one that answers by itself, and one whose result is sent. */
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'

import express, { type Express, type Request, type Response } from 'express'
import type { App, Scope } from 'unwind'
import { expressHandler, expressScope } from 'unwind/express'
import type { AdapterOptions } from 'unwind/http'

import { isWhole, opened, streamOf, type Call, type Handler, type Opened } from './kinds.ts'

export function expressed(app: App, handler: Handler, options: AdapterOptions): Opened {
  return serve(app, options, (server) => {
    server.use(async (request: Request, response: Response) => {
      const { status = 200, body = '' } = await handler(callOf(request, response, request.scope))
      response.status(status)
      const stream = streamOf(body)
      if (stream !== undefined) stream.pipe(response)
      else if (isWhole(body)) response.send(body)
      else response.json(body)
    })
  })
}

export function expressedByResult(app: App, handler: Handler, options: AdapterOptions): Opened {
  return serve(app, options, (server) => {
    server.use(
      expressHandler(async (request, response, scope) => {
        const { status = 200, body = '', length } = await handler(callOf(request, response, scope))
        response.status(status)
        if (length !== undefined) response.set('Content-Length', String(length))
        return body
      }),
    )
  })
}

function serve(app: App, options: AdapterOptions, add: (server: Express) => void): Opened {
  // In this environment it writes no errors to the console.
  const server = express().set('env', 'test')
  server.use(expressScope(app, options))
  add(server)
  return opened(createServer(server))
}

function callOf(
  request: Request | Parameters<Parameters<typeof expressHandler>[0]>[0],
  response: object,
  scope: Scope,
): Call {
  return {
    path: request.url,
    scope,
    request,
    response: response as Response,
    body: () => text(request),
  }
}
