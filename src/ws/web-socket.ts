/**
 * The part of a `WebSocket` of the `ws` package that is used. No driver is imported: `ws` is an optional peer.
 */
import { expected } from '../core/options.ts'

export interface WebSocketLike {
  readonly readyState: number
  /** Bytes that were given to `send` and have not left this process. */
  readonly bufferedAmount: number
  binaryType: string
  /** Not documented, and not in every implementation: nothing else tells of parts of a message. */
  readonly _socket?: SocketLike | null
  on(event: string, listener: (...parameters: never[]) => void): unknown
  off(event: string, listener: (...parameters: never[]) => void): unknown
  send(data: string | Uint8Array, sent: (error?: Error | null) => void): void
  ping(): void
  pause(): void
  resume(): void
  close(code: number, reason: string): void
  terminate(): void
}

interface SocketLike {
  readonly bytesRead: number
  /** What Node.js itself asks, before it takes a socket for idle: bytes that the system has not taken. */
  readonly _handle?: { readonly writeQueueSize?: number } | null
}

export const connecting = 0
export const open = 1
export const closing = 2
export const closed = 3

/** The close codes that are sent here, and the one that stands for a connection that ended without one. */
export const normal = 1000
export const goingAway = 1001
export const abnormal = 1006
export const failed = 1011

/** Bytes of UTF-8 that fit into a close frame behind its code. */
const longestReason = 123

const methods = ['on', 'off', 'send', 'ping', 'pause', 'resume', 'close', 'terminate']

/** @throws {TypeError} for anything but a `WebSocket` of the `ws` package, or one like it */
export function webSocketOf(where: string, value: object): WebSocketLike {
  // Whether it is one is what the next line finds out.
  const candidate = value as Record<string, unknown> | undefined
  if (methods.every((name) => typeof candidate?.[name] === 'function')) {
    return value as WebSocketLike
  }
  throw expected(`the WebSocket given to ${where}`, 'one of the `ws` package', value)
}

/** What would throw on the way to the driver, and leave a connection open that says it is closing. */
export function closeMistake(code: unknown, reason: unknown): TypeError | undefined {
  if (typeof code !== 'number') return expected('the code given to close()', 'a number', code)
  if (typeof reason === 'string') return undefined
  return expected('the reason given to close()', 'a string', reason)
}

/** A code that may be sent: `close()` of the driver throws for any other, and leaves the connection open. */
export function sendableCode(code: number): number {
  const standard = code >= 1000 && code <= 1014 && ![1004, 1005, abnormal].includes(code)
  const isPrivate = code >= 3000 && code <= 4999
  return Number.isInteger(code) && (standard || isPrivate) ? code : normal
}

/** As much of the reason as fits, in whole characters. */
export function sendableReason(reason: string): string {
  let end = longestReason
  const bytes = Buffer.from(reason)
  if (bytes.length <= end) return reason
  // The following bytes of a character begin with the bits 10.
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1
  return bytes.subarray(0, end).toString()
}
