/** WebSockets of a framework's own: what is the same for each. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { WebSocket } from 'ws'

import type { Site } from './site.ts'

/** How a client may leave. */
export const departures = [
  ['closes', (socket: WebSocket) => socket.close()],
  ['vanishes', (socket: WebSocket) => socket.terminate()],
] as const

export async function connect({ port }: Site): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`)
  await once(socket, 'open')
  return socket
}

/** Of a site that answers each message with the state of its scope. */
export async function checkOpenUntil(
  leave: (socket: WebSocket) => void,
  site: Site,
): Promise<void> {
  const socket = await connect(site)
  socket.send('?')
  const [state] = await once(socket, 'message')
  assert.equal(String(state), 'open')
  leave(socket)
  assert.deepEqual(await site.statuses(), ['aborted'])
  assert.deepEqual(site.reported, [])
}
