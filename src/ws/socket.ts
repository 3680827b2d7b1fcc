/**
 * What a socket is to those who use one, and the way to wrap one that somebody else made.
 */
import { checkOptions, milliseconds, type Rule } from '../core/options.ts'
import { brokenError, Connection } from './connection.ts'
import { webSocketOf } from './web-socket.ts'

/** How a socket is bounded: its end, its silence, and what is kept of its messages. */
export interface SocketOptions {
  /** Milliseconds for the close handshake before the socket is terminated. Default 1_000. */
  grace?: number
  /** Milliseconds between pings; a peer that misses one is terminated. Default 30_000; `0`: none. */
  heartbeat?: number
  /** Messages kept before the peer is paused. Default 64. */
  highWater?: number
  /** Bytes of unsent data beyond which `send` rejects and the socket is terminated. Default 16 MiB. */
  maxBuffered?: number
}

/** One connection: iterate its messages, send with backpressure, dispose to close. */
export interface Socket extends AsyncIterable<string | Uint8Array> {
  /** `open` also while it is connecting; `closing` from the first close frame on; `closed` once the connection has ended. */
  readonly state: 'open' | 'closing' | 'closed'
  /** Aborts when the peer is gone. Made on first read. */
  readonly signal: AbortSignal
  /**
   * Send one message. Resolves once the data left this process; on a socket that is still connecting, it waits for that
   * first. Rejects with `ERR_SOCKET_CLOSED`, `ERR_SOCKET_OVERFLOW`, or with what broke the socket. A promise that nobody
   * looks at rejects silently: the loop and the signal tell too.
   */
  send(data: string | Uint8Array): Promise<void>
  /**
   * Close it. Resolves once the connection has ended: by a handshake, or after `grace` without one. A code that may not be
   * sent becomes 1000, and the reason is cut at 123 bytes. Default 1000 without a reason.
   */
  close(code?: number, reason?: string): Promise<SocketClose>
  /** Resolves once the connection has ended. Never rejects. */
  readonly closed: Promise<SocketClose>
}

/** How a connection ended. */
export interface SocketClose {
  /** That of the close frame; 1005 where it had none, 1006 where none came. */
  readonly code: number
  /** That of the close frame, often empty. */
  readonly reason: string
  /** Both sides sent a close frame, and neither a bad one. */
  readonly clean: boolean
}

const count: Rule = {
  expected: 'a whole number from 1',
  accepts: (value) => Number.isSafeInteger(value) && Number(value) >= 1,
}

export const socketRules: Readonly<Record<string, Rule>> = {
  grace: milliseconds,
  heartbeat: milliseconds,
  highWater: count,
  maxBuffered: count,
}

/**
 * Wrap an open or connecting `WebSocket` of the `ws` package. Wrap it as soon as you have it: messages are kept from
 * that moment on. Iterating ends when the socket was closed, and rejects with `ERR_SOCKET_BROKEN` when the peer broke
 * off. Disposing closes with 1000, drops what was not read, and terminates after `grace`.
 *
 * @example
 * ```ts
 * await using peer = socket(webSocket)
 * for await (const message of peer) await peer.send(message)
 * ```
 * @throws {TypeError} for anything else, and for unknown or wrong options
 */
export function socket(webSocket: object, options?: SocketOptions): Socket & AsyncDisposable {
  checkOptions('socket()', options, socketRules)
  return new Connection(webSocketOf('socket()', webSocket), options, brokenError)
}
