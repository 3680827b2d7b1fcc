/**
 * Listening to what a server does only if somebody listens ('upgrade', 'checkContinue'): as long as somebody else does.
 */
import type { EventEmitter } from 'node:events'

/** Each event brings its own parameters. */
export type Listener = Parameters<EventEmitter['on']>[1]

/** Call the result to stop. */
export function listenAlong(server: EventEmitter, event: string, listener: Listener): () => void {
  let listening = false
  const added = (name: string | symbol): void => {
    if (name !== event || listening) return
    listening = true
    server.prependListener(event, listener)
  }
  const removed = (name: string | symbol): void => {
    if (name !== event || !listening || server.listeners(event).length !== 1) return
    listening = false
    server.off(event, listener)
  }
  server.on('newListener', added)
  server.on('removeListener', removed)
  if (server.listenerCount(event) > 0) added(event)
  return () => {
    server.off('newListener', added)
    server.off('removeListener', removed)
    server.off(event, listener)
  }
}
