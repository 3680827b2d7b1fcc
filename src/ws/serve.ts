/**
 * The server's side: a request scope for each socket, closed once its handler has settled. It closes before the socket
 * does, so that a handler whose release fails closes with 1011, as one that throws.
 */
import type { IncomingMessage } from 'node:http'
import { endWith, servingOpener } from '../core/app.ts'
import { whenAborted } from '../core/deadline.ts'
import { ClientDisconnectedError, ShutdownError } from '../core/errors/errors.ts'
import { checkApp, checkFunction, checkOptions, expected } from '../core/options.ts'
import { whenDoorsClose } from '../core/shutdown.ts'
import type { App, Scope } from '../core/types.ts'
import { pathOf } from '../core/url-path.ts'
import { within } from '../core/waiting.ts'
import { Connection, type Broken } from './connection.ts'
import { abandonAfter, settled } from './handler.ts'
import { socketRules, type Socket, type SocketOptions } from './socket.ts'
import { failed, goingAway, normal, webSocketOf, type WebSocketLike } from './web-socket.ts'

/** The part of a `WebSocketServer` of the `ws` package that is used. */
export interface WebSocketServerLike {
  /** Each connection is served. */
  // Each implementation has its own class of sockets, and a listener for `any` accepts all of them.
  // oxlint-disable-next-line typescript/no-explicit-any
  on(event: 'connection', listener: (socket: any, request: any) => void): unknown
  /** The sockets that are open. */
  readonly clients: Iterable<unknown>
  /** Stops accepting. */
  close(callback?: (error?: Error) => void): void
}

/**
 * A server of HTTP emits connections too, of another kind; it listens, where that of ws is given one that does. And a
 * WebSocket has the same methods, and sends.
 */
function isWebSocketServer(server: Partial<WebSocketServerLike> | undefined): boolean {
  const { on, close } = server ?? {}
  const isOther = ['listen', 'send'].some((method) => method in Object(server))
  return typeof on === 'function' && typeof close === 'function' && !isOther
}

/** Two handlers would close the sockets under each other. */
const served = new WeakSet<object>()

type SocketHandler = (socket: Socket, scope: Scope, request: IncomingMessage) => unknown

/** Milliseconds for handlers whose socket was closed by a disposal, before their scopes are aborted. */
const handlerGrace = 10_000

/**
 * Milliseconds for the server to close once its sockets have. A server with a port of its own waits for all who have
 * connected; those who made no handshake are not known here, and may stay for ever.
 */
const serverGrace = 1_000

/**
 * Serve the connections of a `WebSocketServer`: a request scope for each socket, closed once the handler settled. A peer
 * that breaks off (no close frame, a missed heartbeat, a bad frame) aborts the scope with `ERR_CLIENT_DISCONNECTED` and
 * ends the iteration with that error, as whatever else aborts the scope ends it with its reason; after a clean close the
 * iteration just ends, and the handler decides. A handler that throws closes with 1011, one that returns with 1000.
 *
 * Disposing, and the app's shutdown, stop accepting, close every socket with 1001 and close the server; handlers that
 * go on for another 10 s are aborted with `ERR_SHUTDOWN`. What a handler throws goes to the `onError` of the app, unless
 * its socket or its abort was the reason.
 *
 * @example
 * ```ts
 * serveSockets(app, new WebSocketServer({ server }), async (socket, scope) => {
 *   for await (const message of socket) await socket.send(message)
 * })
 * ```
 * @throws {TypeError} for unknown or wrong options, and for a server that is served already
 * @throws `ERR_SCOPE_CLOSED` once the app has closed
 */
export function serveSockets(
  app: App,
  server: WebSocketServerLike,
  handler: SocketHandler,
  options?: SocketOptions,
): AsyncDisposable {
  checkOptions('serveSockets()', options, socketRules)
  checkApp('serveSockets()', app)
  if (!isWebSocketServer(server)) {
    const wanted = 'a WebSocketServer of ws, such as new WebSocketServer({ server })'
    throw expected('the second argument of serveSockets()', wanted, server)
  }
  checkFunction('the handler given to serveSockets()', handler)
  if (served.has(server)) {
    const wanted = 'served once: each handler has a server of its own'
    throw expected('the WebSocketServer given to serveSockets()', wanted, server)
  }
  const service = new Service(app, server, handler, options)
  const forget = endWith(app, { name: 'sockets', release: () => service.close() })
  served.add(server)
  server.on('connection', (webSocket: object, request: IncomingMessage) => {
    service.accept(webSocket, request)
  })
  const undo = whenDoorsClose(app, {
    close: () => void service.close(),
    clear: () => service.leaveBehind(),
  })
  return {
    async [Symbol.asyncDispose]() {
      await service.close()
      undo()
      forget()
    },
  }
}

const left: Broken = (message, options) => new ClientDisconnectedError(message, options)

/** One socket that is being served. */
interface Serving {
  readonly connection: Connection
  /** None where the app had closed. */
  readonly scope: Scope | undefined
  readonly ended: Promise<void>
}

class Service {
  readonly #app: App
  readonly #open: ReturnType<typeof servingOpener>
  readonly #server: WebSocketServerLike
  readonly #handler: SocketHandler
  readonly #options: SocketOptions | undefined
  readonly #serving = new Map<unknown, Serving>()
  #closing: Promise<void> | undefined = undefined
  /** Handlers that heeded nothing are not waited for any longer. */
  leaveBehind: () => void = () => {}
  readonly #leftBehind: Promise<void>

  constructor(
    app: App,
    server: WebSocketServerLike,
    handler: SocketHandler,
    options: SocketOptions | undefined,
  ) {
    this.#app = app
    this.#open = servingOpener(app, { kind: 'request', abandonAfter })
    this.#server = server
    this.#handler = handler
    this.#options = options
    this.#leftBehind = new Promise((resolve) => {
      this.leaveBehind = resolve
    })
  }

  accept(webSocket: object, request: IncomingMessage): void {
    const driver = webSocketOf('serveSockets()', webSocket)
    const connection = new Connection(driver, this.#options, left)
    const scope = this.#closing === undefined ? this.#scopeFor(request) : undefined
    const ended = this.#serve(connection, scope, request)
    this.#serving.set(webSocket, { connection, scope, ended })
    void ended.finally(() => this.#serving.delete(webSocket))
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** Never rejects: nobody waits for it. */
  async #serve(
    connection: Connection,
    scope: Scope | undefined,
    request: IncomingMessage,
  ): Promise<void> {
    if (scope === undefined) {
      await connection.dispose(goingAway)
      return
    }
    connection.onBroken = (error) => scope.abort(error)
    // Where a task failed, or somebody aborted, nothing else ends a loop that waits for a message.
    whenAborted(scope.signal, () => connection.interrupt(scope.signal.reason))
    const succeeded = await settled(connection, scope, () =>
      this.#handler(connection, scope, request),
    )
    await connection.dispose(succeeded ? normal : failed)
  }

  /** None once the app has closed. */
  #scopeFor(request: IncomingMessage | undefined): Scope | undefined {
    try {
      // Who emits 'connection' after an upgrade of his own may leave it out.
      return this.#open(`WS ${pathOf(request?.url ?? '/')}`)
    } catch {
      return undefined
    }
  }

  async #close(): Promise<void> {
    const ended = new Promise<void>((resolve) => {
      // An error says that the server had been closed before.
      this.#server.close(() => resolve())
    })
    await Promise.all([...this.#clients()].map((client) => this.#dismiss(client)))
    const timer = setTimeout(() => this.#abort(), handlerGrace)
    const handlers = Promise.all([...this.#serving.values()].map((serving) => serving.ended))
    await Promise.race([handlers, this.#leftBehind])
    clearTimeout(timer)
    await within(serverGrace, ended)
  }

  /** Also those that were connected before anybody served them, unless the server keeps no list of them. */
  #clients(): Set<unknown> {
    const { clients } = this.#server as Partial<WebSocketServerLike>
    return new Set([...(clients ?? []), ...this.#serving.keys()])
  }

  async #dismiss(client: unknown): Promise<void> {
    const serving = this.#serving.get(client)
    if (serving !== undefined) await serving.connection.dispose(goingAway)
    // The server takes what it gave to be sockets of its own.
    else await new Connection(client as WebSocketLike, this.#options, left).dispose(goingAway)
  }

  #abort(): void {
    const reason = new ShutdownError(
      `The sockets of "${this.#app.name}" were closed, and a handler went on for ${handlerGrace} ms.`,
    )
    for (const { scope } of this.#serving.values()) scope?.abort(reason)
  }
}
