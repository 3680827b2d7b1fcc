/**
 * Requests that wait in line behind another on their connection. On Node.js 22 nothing at all is emitted for them when
 * that connection closes, except by the socket; one listener for each socket serves all of them.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

const key: unique symbol = Symbol('unwind.queued')

type Carrier = Socket & { [key]?: Set<() => void> }

/** Call `left` when the connection closes before the turn of `response` has come and its own 'close' is emitted. */
export function watchQueued(
  request: IncomingMessage,
  response: ServerResponse,
  left: () => void,
): void {
  // No socket: the answer of a test harness.
  const socket: Carrier | null = request.socket
  if (socket === null || request.httpVersionMajor !== 1) return
  const queued = (socket[key] ??= watch(socket))
  queued.add(left)
  response.once('close', () => queued.delete(left))
}

function watch(socket: Carrier): Set<() => void> {
  const queued = new Set<() => void>()
  socket.once('close', () => {
    for (const left of queued) left()
  })
  return queued
}
