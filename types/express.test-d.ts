import express, { type Request, type RequestHandler, type Response } from 'express'
import type { App, Scope } from 'unwind'
import { expressHandler, expressScope, type AdapterOptions } from 'unwind/express'
import { expectAssignable, expectError, expectType } from 'tsd'

declare const app: App
const server = express()

const middleware = expressScope(app, { timeout: 1_000, closeAt: 'ended', abandonAfter: 100 })
expectAssignable<RequestHandler>(middleware)
server.use(middleware)
expectAssignable<AdapterOptions>({ name: () => 'x' })
expectError(expressScope(app, { closeAt: 'flushed' }))
expectError(expressScope(server))

server.get('/', (request) => {
  expectType<Scope>(request.scope)
})

const route = expressHandler((request, response, scope) => {
  expectAssignable<Request['params']>(request.params)
  expectAssignable<Pick<Response, 'headersSent'>>(response)
  expectType<Scope>(scope)
  expectType<unknown>(request.body)
  return 'an answer'
})
expectAssignable<RequestHandler>(route)
server.get('/', route)
server.get(
  '/orders/:id',
  expressHandler<{ id: string }>(async (request) => {
    expectType<string>(request.params.id)
    return { id: request.params.id }
  }),
)
// A handler, not an app.
expectError(expressHandler(app))
