/**
 * A server that closes without cutting an answer and without waiting for silence, and that closes with its app.
 */
import { checkOptions, milliseconds } from '../core/options.ts'
import type { App, Exit } from '../core/types.ts'
import { checkApp } from './adapter.ts'
import { Connections, type AnyServer } from './connections.ts'

export interface GracefulOptions {
  /** Milliseconds idle connections may stay; default 500. */
  linger?: number
}

/**
 * Make closing graceful: `server.close()`, `fastify.close()` and `await using server` deliver every byte of every answer
 * in progress, and hang on no silent connection. Call it before the server listens. The app's shutdown closes the
 * server; disposing the result detaches it.
 *
 * While the server closes, requests on connections that are already open are served, and their answers say
 * `Connection: close`.
 * @throws {TypeError} for unknown or wrong options
 * @throws `ERR_SCOPE_CLOSED` once the app has closed
 */
export function graceful(app: App, server: AnyServer, options?: GracefulOptions): AsyncDisposable {
  checkApp('graceful()', app)
  checkOptions('graceful()', options, { linger: milliseconds })
  return attach(app, server, options?.linger ?? 500)
}

/** A server and its app, tied together until it is disposed. */
export interface Attachment extends AsyncDisposable {
  readonly connections: Connections
}

export function attach(app: App, server: AnyServer, linger: number): Attachment {
  const connections = new Connections(server, linger)
  let attached = true
  const stop = (): void => stopAccepting(server)
  const detach = (): void => {
    attached = false
    app.draining.removeEventListener('abort', stop)
    connections.detach()
  }
  // What the app acquired before this call is released after the last answer is delivered.
  app.defer((exit) => (attached ? closeWith(server, connections, exit).finally(detach) : undefined))
  app.draining.addEventListener('abort', stop, { once: true })
  if (app.draining.aborted) stop()
  return {
    connections,
    [Symbol.asyncDispose]: () => Promise.resolve(detach()),
  }
}

/** Stop accepting, and resolve once every connection has ended. */
export function closed(server: AnyServer): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      server.off('close', done)
      resolve()
    }
    server.on('close', done)
    if (server.listening) server.close()
    // The 'close' of a server that has closed, or never listened, does not come any more.
    else server.getConnections((_error, count) => count === 0 && done())
  })
}

function stopAccepting(server: AnyServer): void {
  if (server.listening) server.close()
}

/** The app waits for the answers in progress for as long as for any release. */
async function closeWith(server: AnyServer, connections: Connections, exit: Exit): Promise<void> {
  const cutOff = (): void => connections.destroyAll()
  exit.signal.addEventListener('abort', cutOff, { once: true })
  await closed(server)
}
