/**
 * Answers whose end is held back: for whoever wrote one it has ended. Fastify goes on to its next hook, and to the handler,
 * where one that has answered does not look so.
 */
import type { ServerResponse } from 'node:http'

const held = new WeakSet<ServerResponse>()

/** Its end was called, and is not held back. */
export function isEnded(response: ServerResponse): boolean {
  return response.writableEnded && !held.has(response)
}

export function looksEnded(response: ServerResponse): void {
  held.add(response)
  Object.defineProperty(response, 'writableEnded', { value: true, configurable: true })
}

/** From here on `response` tells of its end by itself. */
export function showsEnd(response: ServerResponse): void {
  if (held.delete(response)) Reflect.deleteProperty(response, 'writableEnded')
}
