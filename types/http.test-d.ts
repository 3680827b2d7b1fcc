import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createHttp2, createSecureServer } from 'node:http2'
import { createServer as createHttps } from 'node:https'
import type { App } from 'unwind'
import { graceful, handle, listen, scoped } from 'unwind/http'
import { expectAssignable, expectError, expectType } from 'tsd'

declare const app: App
declare const server: Server

const listener = scoped(app, () => {}, { timeout: 1_000, closeAt: 'ended' })
expectAssignable<RequestListener>(listener)
expectError(scoped(app, () => {}, { closeAt: 'flushed' }))
expectError(scoped(server, () => {}))

const handled = handle(app, (request, _response, scope) => {
  expectType<boolean>(scope.disposed)
  return request.url
})
expectAssignable<RequestListener>(handled)

for (const either of [listener, handled]) {
  createServer(either)
  createHttps({}, either)
  createHttp2(either)
  createSecureServer({ allowHTTP1: true }, either)
}

const listening = listen(app, server, { port: 0, host: '127.0.0.1', linger: 100 })
expectAssignable<Promise<AsyncDisposable & { readonly port: number; readonly url: string }>>(
  listening,
)
// The port has no default.
expectError(listen(app, server, {}))

const closing = graceful(app, server, { linger: 100 })
expectAssignable<AsyncDisposable>(closing)
