/** WebSocket handlers that hold a connection for as long as their client is there, or so they think. */
import type { Server } from 'node:http'
import { Pool, type PoolConfig } from 'pg'
import { createApp } from 'unwind'
import { pgResources } from 'unwind/pg'
import { serveSockets } from 'unwind/ws'
import { WebSocketServer, type WebSocket } from 'ws'
import { ask, idle } from './requests.ts'

/** Twice as many as there are clients at a time. */
export const places = 64

/** As one would begin: everything works, and nothing ends. */
export function withoutDisconnect(server: Server, config: PoolConfig): void {
  const pool = new Pool({ ...config, ...idle, max: places })
  new WebSocketServer({ server }).on('connection', (socket: WebSocket) => {
    const connecting = pool.connect()
    const reply = async (): Promise<void> => {
      socket.send(JSON.stringify(await ask(await connecting)))
    }
    socket.on('message', () => void reply())
  })
}

export function withDisconnect(server: Server, config: PoolConfig): void {
  const app = createApp({ name: 'bench' })
  const db = pgResources(() => new Pool({ ...config, ...idle, max: places }))
  serveSockets(
    app,
    new WebSocketServer({ server }),
    async (socket, scope) => {
      const lease = await scope.get(db.connection)
      for await (const _message of socket) await socket.send(JSON.stringify(await ask(lease)))
    },
    { heartbeat: 250 },
  )
}
