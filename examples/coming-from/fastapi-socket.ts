/** docs/from-fastapi.md: `WebSocketDisconnect`. */
import { subscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
// #region socket
import { createServer } from 'node:http'
import { WebSocketServer } from 'ws'
import { createApp } from 'unwind'
import { listen } from 'unwind/http'
import { serveSockets } from 'unwind/ws'

const app = createApp()
const server = createServer()
serveSockets(app, new WebSocketServer({ server }), async (socket, scope, request) => {
  scope.defer(({ status }) => console.log(request.url, status))
  for await (const text of socket) await socket.send(`you said: ${String(text)}`)
  console.log(request.url, 'said goodbye') // the loop just ends
})
const { url } = await listen(app, server, { port: 0 })
// #endregion
const { WebSocket } = await import('ws')

async function visit(path: string, leave: 'close' | 'terminate'): Promise<void> {
  const client = new WebSocket(`${url.replace('http', 'ws')}${path}`)
  await once(client, 'open')
  client.send('hello')
  await once(client, 'message')
  client[leave]()
  const { promise, resolve } = Promise.withResolvers<void>()
  subscribe('unwind:scope:closed', () => resolve())
  await promise
}
await visit('/polite', 'close')
await visit('/rude', 'terminate')
await app.shutdown()
