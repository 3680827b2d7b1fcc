/**
 * The client's side: a socket that is open when it is handed out, or an error that says why it is not.
 */
import { outermostFrame } from '../core/context.ts'
import { isAggregate, isError } from '../core/errors/format.ts'
import { isTimeout, Kind, ticketFor } from '../core/watching/held.ts'
import { abortSignal, checkOptions, expected, type Rule } from '../core/options.ts'
import { brokenError, Connection } from './connection.ts'
import { SocketConnectError } from './errors.ts'
import { socketRules, type Socket, type SocketOptions } from './socket.ts'
import { webSocketOf, type WebSocketLike } from './web-socket.ts'

/** The options of a socket, and how it is opened. */
export interface ConnectOptions extends SocketOptions {
  /** Gives up connecting; once the socket is open it has no effect. */
  signal?: AbortSignal
  /** Default: that of the `ws` package, which is loaded then, without compression: a bad frame within that can end the process. */
  // The parameters of a class are accepted by `any` alone.
  // oxlint-disable-next-line typescript/no-explicit-any
  WebSocket?: new (...args: any[]) => object
}

const rules: Readonly<Record<string, Rule>> = {
  ...socketRules,
  signal: abortSignal,
  WebSocket: { expected: 'a class', accepts: isConstructible },
}

const sockets = new Kind('websocket', { leakAfter: Infinity })

/** Milliseconds for the handshake that opens a connection. */
const handshakeTimeout = 30_000

/**
 * Connect to a WebSocket server; resolves once the connection is open. Rejects with `ERR_SOCKET_CONNECT`, whose `cause`
 * says why, or with the reason of `signal`.
 *
 * @example
 * ```ts
 * await using feed = await connect('ws://localhost:3000/orders', { signal })
 * for await (const message of feed) console.log(message)
 * ```
 * @throws {TypeError} for a URL that is none, and for unknown or wrong options
 */
export async function connect(
  url: string | URL,
  options: ConnectOptions = {},
): Promise<Socket & AsyncDisposable> {
  checkOptions('connect()', options, rules)
  const { signal, WebSocket: given } = options
  if (!isAddress(url)) {
    const received = typeof url === 'string' ? beginningOf(url) : url
    throw expected('the URL given to connect()', 'a ws: or wss: URL without a fragment', received)
  }
  signal?.throwIfAborted()
  // It lives as long as there is something to say, so its age says nothing.
  const ticket = ticketFor(sockets)
  const connecting = (): Promise<Connection> => connectTo(url, options, given)
  try {
    const connection = await (ticket === undefined ? connecting() : ticket.trace(connecting))
    ticket?.held(connection)
    void connection.closed.then(() => ticket?.released())
    return connection
  } catch (error) {
    ticket?.failed(isTimeout(error instanceof SocketConnectError ? error.cause : error))
    throw error
  }
}

/** One that `ws` takes: it throws errors of its own for other protocols, and for a fragment. */
function isAddress(url: string | URL): boolean {
  if (!URL.canParse(String(url))) return false
  const { protocol, hash } = new URL(url)
  return /^(?:wss?|https?|ws\+unix):$/.test(protocol) && hash === ''
}

/** An arrow function is none, which only `new` finds out: here it makes another class, and not an object. */
function isConstructible(value: unknown): boolean {
  try {
    Reflect.construct(Object, [], value as Function)
    return true
  } catch {
    return false
  }
}

async function connectTo(
  url: string | URL,
  options: ConnectOptions,
  given: ConnectOptions['WebSocket'],
): Promise<Connection> {
  const { signal } = options
  const WebSocketClass = given ?? (await import('ws')).WebSocket
  // What is compressed can end the process where a bad frame comes with it (docs/sockets-and-shutdown.md).
  const more = given === undefined ? [{ perMessageDeflate: false }] : []
  // It may have aborted meanwhile, and tells nobody who listens later.
  signal?.throwIfAborted()
  // What the connection creates keeps its context for as long as it lives, so that is not the caller's request.
  const make = (): object => new WebSocketClass(url, ...more)
  const webSocket = ofDriver(outermostFrame.runInAsyncScope(make))
  const connection = new Connection(webSocket, options, brokenError)
  await opening(connection, url, signal)
  return connection
}

/** @throws {TypeError} for one of another kind, which is not left connecting */
function ofDriver(webSocket: object): WebSocketLike {
  try {
    return webSocketOf('connect()', webSocket)
  } catch (error) {
    // Most kinds have this method, also those that have nothing else of what is needed.
    const other = webSocket as { on?(event: 'error', listener: () => void): void; close?(): void }
    // That it was given up is an error to many, which would end the process.
    other.on?.('error', () => {})
    other.close?.()
    throw error
  }
}

async function opening(
  connection: Connection,
  url: string | URL,
  signal: AbortSignal | undefined,
): Promise<void> {
  const giveUp = (): void => void connection.close()
  let late: Error | undefined
  const timer = setTimeout(() => {
    late = new DOMException(`The handshake took longer than ${handshakeTimeout} ms`, 'TimeoutError')
    giveUp()
  }, handshakeTimeout)
  signal?.addEventListener('abort', giveUp, { once: true })
  const opened = await connection.opened
  clearTimeout(timer)
  signal?.removeEventListener('abort', giveUp)
  if (opened && signal?.aborted !== true) return
  signal?.throwIfAborted()
  const cause = late ?? connection.error?.cause ?? connection.error
  throw new SocketConnectError(`Connecting to ${shown(url)} failed: ${wordsOf(cause)}`, { cause })
}

/** Without a password and a query, which may have a token: messages go into logs. */
function shown(url: string | URL): string {
  const { protocol, host, pathname } = new URL(url)
  return `${protocol}//${host}${pathname}`
}

/** Where the password is cannot be seen in what is no URL. */
function beginningOf(text: string): string {
  return text.replace(/(?<=[:?#@]).*/s, '…')
}

function wordsOf(cause: unknown): string {
  if (!isError(cause)) return 'it was not said why.'
  // Of several addresses that were tried, each has its own error, and their sum has no message.
  if (isAggregate(cause)) return cause.errors.map(wordsOf).join(' ')
  return cause.message.replace(/\.?$/, '.')
}
