/**
 * A server that closes without cutting an answer and without waiting for silence, and that closes with its app.
 */
import { endWith } from '../core/app.ts'
import { whenAborted } from '../core/deadline.ts'
import { ScopeClosedError } from '../core/errors/errors.ts'
import { checkApp, checkOptions, expected, milliseconds } from '../core/options.ts'
import { whenDoorsClose } from '../core/shutdown.ts'
import type { App } from '../core/types.ts'
import { Connections, type AnyServer } from './connections.ts'
import { whenNobodyWaits } from './door.ts'

/** How long a server that closes waits for the silent. */
export interface GracefulOptions {
  /** Milliseconds idle connections may stay; default 500. */
  linger?: number
}

/** Milliseconds for the bytes of answers that were produced, before their connections are destroyed. */
export const deliveryGrace = 10_000

/**
 * Make closing graceful: `server.close()`, `fastify.close()` and `await using server` deliver every byte of every answer
 * in progress, and hang on no silent connection. Call it before the server listens. The app's shutdown closes the
 * server; disposing the result detaches it. What is declared with `await using` after this call does not fail where
 * the server never listened, or was closed already.
 *
 * While the server closes, requests on connections that are already open are served, and their answers say
 * `Connection: close`. What the app acquired before this call is released after the last answer was delivered, which may
 * take 10 s longer than the last request. A server may be given more than once, for several apps: it closes with the
 * first of them, and the latest `linger` counts.
 * @throws {TypeError} for unknown or wrong options
 * @throws `ERR_SCOPE_CLOSED` once the app has closed
 */
export function graceful(app: App, server: AnyServer, options?: GracefulOptions): AsyncDisposable {
  checkApp('graceful()', app)
  checkOptions('graceful()', options, { linger: milliseconds })
  return attach('graceful()', app, server, options?.linger ?? 500)
}

/** @throws {TypeError} for the apps of frameworks, too: they can listen, and are no servers */
function checkServer(where: string, server: Partial<AnyServer> | undefined): void {
  const { listen, close, prependListener } = server ?? {}
  if ([listen, close, prependListener].every((method) => typeof method === 'function')) return
  const wanted =
    'a server of http, https or http2 (what Express or Koa made goes into createServer(), what Fastify made listens itself)'
  throw expected(`the second argument of ${where}`, wanted, server)
}

/** A server and its app, tied together until it is disposed. */
export interface Attachment extends AsyncDisposable {
  readonly connections: Connections
}

export function attach(call: string, app: App, server: AnyServer, linger: number): Attachment {
  checkServer(call, server)
  checkOpen(call, app)
  const connections = join(server, linger)
  let attached = true
  const announce = (): void => {
    if (app.draining.aborted) connections.announceEnd()
  }
  const stop = whenAborted(app.draining, announce)
  // Where that is announced already: a server that begins to listen in a lame duck.
  server.on('listening', announce)
  // In the meantime requests on connections that are open have to find their app open.
  const undo = whenDoorsClose(app, {
    close: () => closed(server, connections),
    clear: () => connections.destroyUnfinished(),
  })
  const detach = (): void => {
    if (!attached) return
    attached = false
    stop()
    server.off('listening', announce)
    undo()
    forget()
    leave(server)
  }
  const forget = endWith(app, {
    name: 'server',
    disposeTimeout: deliveryGrace,
    release: () => (attached ? closed(server, connections).finally(detach) : undefined),
    destroy: () => connections.destroyAll(),
  })
  return { connections, [Symbol.asyncDispose]: () => Promise.resolve(detach()) }
}

/** What those who are attached to one server share: a second override of its methods could not be taken off alone. */
interface Shared {
  readonly connections: Connections
  users: number
}

const servers = new WeakMap<AnyServer, Shared>()

function join(server: AnyServer, linger: number): Connections {
  const known = servers.get(server)
  if (known !== undefined) {
    known.users += 1
    known.connections.linger = linger
    return known.connections
  }
  const connections = new Connections(server, linger)
  // That of Node.js rejects where the server never listened, or was closed by somebody else; and where it speaks HTTP/2,
  // it waits for idle sessions. Whoever has given it one of its own knows better.
  if (!Object.hasOwn(server, Symbol.asyncDispose)) {
    connections.override(Symbol.asyncDispose, () => closed(server, connections))
  }
  servers.set(server, { connections, users: 1 })
  return connections
}

function leave(server: AnyServer): void {
  const shared = servers.get(server)
  if (shared === undefined || (shared.users -= 1) > 0) return
  servers.delete(server)
  shared.connections.detach()
}

/** Stop accepting, and resolve once every connection has ended. */
export function closed(server: AnyServer, connections: Connections): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      server.off('close', done)
      resolve()
    }
    server.on('close', done)
    if (server.listening) stopAccepting(server, connections)
    // So it does not listen later, and its 'close' comes.
    else if (connections.isNew) server.close()
    // That of a server that has closed does not come any more.
    else server.getConnections((_error, count) => count === 0 && done())
  })
}

function stopAccepting(server: AnyServer, connections: Connections): void {
  connections.announceEnd()
  whenNobodyWaits(server, () => {
    if (server.listening) server.close()
  })
}

/** @throws `ERR_SCOPE_CLOSED` once the app has closed */
export function checkOpen(call: string, app: App): void {
  if (app.state === 'closing' || app.state === 'closed') throw tooLate(call, app)
}

export function tooLate(call: string, app: App): ScopeClosedError {
  return new ScopeClosedError(
    `${call}: the app "${app.name}" is ${app.state}. Make the server part of an app that is open.`,
  )
}
