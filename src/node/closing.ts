/**
 * A server that ends when it is disposed: what is idle at once, what is busy when it becomes idle, and everything after
 * its grace. An answer on its way is never cut before that.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { Socket, type Server } from 'node:net'
import type { Duplex } from 'node:stream'
import { DisposeTimeoutError } from '../core/errors/errors.ts'
import { checkOptions, expected, longestDelay, milliseconds } from '../core/options.ts'

/**
 * Give a server a `[Symbol.asyncDispose]` that ends, whether the server listens, never did, or has closed. Call it before
 * the server listens: connections that are older are not known. Works for `net`, `tls`, `http`, `https` and `http2`; a
 * server whose requests an adapter serves has `listen` or `graceful` of `unwind/http`, which stop it before the app closes.
 *
 * @example
 * ```ts
 * const server = app.use(closing(net.createServer(handler), { grace: 3_000 }))
 * server.listen(port)
 * ```
 * @param options.grace milliseconds for busy connections before they are destroyed. Default 5_000. A scope that holds the
 *   server waits for its own `disposeTimeout` and no longer.
 * @returns the same server. Disposing rejects with `ERR_DISPOSE_TIMEOUT` where something outlives even that.
 * @throws {TypeError} for unknown or wrong options
 */
export function closing<S extends Server>(
  server: S,
  options?: { grace?: number },
): S & AsyncDisposable {
  if (typeof server?.getConnections !== 'function') {
    throw expected('the first argument of closing()', 'a server', server)
  }
  checkOptions('closing()', options, { grace: milliseconds })
  const connections = new Connections(server, options?.grace ?? 5_000)
  const dispose = (): Promise<void> => connections.close()
  const descriptor = { value: dispose, writable: true, configurable: true }
  // Its type follows from where it comes from, which the compiler does not see.
  return Object.defineProperty(server, Symbol.asyncDispose, descriptor) as S & AsyncDisposable
}

/** Milliseconds that the server may take to notice that everything was destroyed. */
const lastGrace = 1_000

/** What Node.js keeps on a connection: a parser while it speaks HTTP/1, and the answer that is due or on its way. */
interface Speaking extends Duplex {
  readonly parser?: unknown
  readonly _httpMessage?: unknown
  /** What is no socket has none. */
  destroySoon?(): void
}

/** An encrypted connection, and the socket that it was accepted as, if it was one. */
interface Encrypted extends Socket {
  readonly _parent: Socket
}

/** A session of HTTP/2: `close` lets its streams end. */
interface Session {
  close(): void
  destroy(): void
  once(event: 'close', listener: () => void): unknown
}

interface HttpServer {
  closeIdleConnections(): void
  closeAllConnections(): void
}

class Connections {
  readonly #server: Server
  readonly #grace: number
  readonly #sockets = new Set<Socket>()
  readonly #sessions = new Set<Session>()
  #closing: Promise<void> | undefined = undefined
  #state: 'new' | 'listened' | 'closed'

  constructor(server: Server, grace: number) {
    this.#server = server
    this.#grace = grace
    this.#state = server.listening ? 'listened' : 'new'
    const connected = (socket: Socket): void => keep(this.#sockets, socket)
    server.on('connection', connected)
    // Of the TLS servers, after the handshake: the socket that speaks, around the one that was accepted.
    server.on('secureConnection', (socket: Encrypted) => {
      this.#sockets.delete(socket._parent)
      connected(socket)
    })
    server.on('session', (session: Session) => this.#begun(session))
    server.on('listening', () => this.#listens())
    server.on('close', () => (this.#state = 'closed'))
  }

  close(): Promise<void> {
    this.#closing ??= this.#state === 'closed' ? Promise.resolve() : this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const timer = setTimeout(() => this.#destroy(), this.#grace)
    subscribe('http.server.response.finish', this.#answered)
    try {
      await this.#stop()
    } finally {
      unsubscribe('http.server.response.finish', this.#answered)
      clearTimeout(timer)
    }
  }

  /** Resolves when the server has closed; that it was not listening is no error here. */
  #stop(): Promise<void> {
    return new Promise((resolve, reject) => {
      const longest = Math.min(this.#grace + lastGrace, longestDelay)
      const overrun = new DisposeTimeoutError(this.#server.constructor.name, longest, 'bound')
      const timer = setTimeout(reject, longest, overrun)
      this.#server.once('close', () => {
        clearTimeout(timer)
        resolve()
      })
      // A new one may be looking up its host; one that is closing already would emit a second 'close'.
      if (this.#server.listening || this.#state === 'new') closeServer(this.#server)
      for (const session of this.#sessions) session.close()
      for (const socket of this.#sockets) {
        if (this.#isHandshaking(socket)) socket.destroy()
        else endIfIdle(socket)
      }
    })
  }

  /** In the middle of a handshake of TLS. Of what is no socket nobody can tell when that is over. */
  #isHandshaking(socket: Socket): boolean {
    const isSecure = 'setSecureContext' in this.#server
    return isSecure && socket instanceof Socket && !('encrypted' in socket)
  }

  readonly #answered = (message: unknown): void => {
    // The channel is documented to have both.
    const { server, socket } = message as { server: unknown; socket: Socket }
    // A pipelined request has its answer assigned to the socket in the meantime.
    if (server === this.#server) process.nextTick(endIfIdle, socket)
  }

  #begun(session: Session): void {
    keep(this.#sessions, session)
    if (this.#closing !== undefined) session.close()
  }

  #listens(): void {
    this.#state = 'listened'
    this.#closing = undefined
  }

  #destroy(): void {
    for (const session of this.#sessions) session.destroy()
    for (const socket of this.#sockets) socket.destroy()
    // Knows of those that are older than this object.
    if (isHttpServer(this.#server)) this.#server.closeAllConnections()
  }
}

/**
 * `close()` of an HTTP server destroys connections whose answer has been ended but is still being delivered, so it is
 * told that none is idle; unless somebody who knows better has replaced that method already.
 */
function closeServer(server: Server): void {
  const name = 'closeIdleConnections'
  const replace = isHttpServer(server) && !Object.hasOwn(server, name)
  if (replace) Object.defineProperty(server, name, { value: () => {}, configurable: true })
  server.close()
  if (replace) Reflect.deleteProperty(server, name)
}

function endIfIdle(connection: Speaking): void {
  const isIdle = Boolean(connection.parser) && !connection._httpMessage
  if (!isIdle) return
  if (connection.destroySoon === undefined) connection.end()
  else connection.destroySoon()
}

function keep<T extends { once(event: 'close', listener: () => void): unknown }>(
  kept: Set<T>,
  closable: T,
): void {
  kept.add(closable)
  closable.once('close', () => kept.delete(closable))
}

function isHttpServer(server: object): server is HttpServer {
  return 'closeIdleConnections' in server && 'closeAllConnections' in server
}
