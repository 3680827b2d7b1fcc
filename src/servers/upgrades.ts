/**
 * Which connections stop being HTTP. Listening for 'upgrade' changes how a server answers, so this listens only while
 * somebody else does.
 */
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'

interface Emitter {
  on(event: string, listener: (...parameters: never[]) => void): unknown
  off(event: string, listener: (...parameters: never[]) => void): unknown
  prependListener(event: string, listener: (...parameters: never[]) => void): unknown
  listenerCount(event: string): number
}

const events = ['upgrade', 'connect']

/** Calls `upgraded` with each connection that is handed over; call the result to stop. */
export function watchUpgrades(server: Emitter, upgraded: (socket: Socket) => void): () => void {
  const listener = ({ socket }: IncomingMessage): void => upgraded(socket)
  const listening = new Set<string>()
  const added = (event: string): void => {
    if (!events.includes(event) || listening.has(event)) return
    listening.add(event)
    server.prependListener(event, listener)
  }
  const removed = (event: string): void => {
    if (!listening.has(event) || server.listenerCount(event) !== 1) return
    server.off(event, listener)
    listening.delete(event)
  }
  server.on('newListener', added)
  server.on('removeListener', removed)
  for (const event of events) if (server.listenerCount(event) > 0) added(event)
  return () => {
    server.off('newListener', added)
    server.off('removeListener', removed)
    for (const event of listening) server.off(event, listener)
  }
}
