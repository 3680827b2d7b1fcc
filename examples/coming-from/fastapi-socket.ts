/** docs/from-fastapi.md: `WebSocketDisconnect`. */
import { createServer } from 'node:http'
import { WebSocket, WebSocketServer } from 'ws'
import { createApp } from 'unwind'
import { listen } from 'unwind/http'
import { serveSockets } from 'unwind/ws'

const app = createApp({ onError: () => {} })
const server = createServer()
const left = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
// #region socket
serveSockets(app, new WebSocketServer({ server }), async (socket, scope, request) => {
  scope.defer((exit) => {
    console.log(request.url, exit.status)
    left.shift()?.resolve()
  })
  for await (const text of socket) await socket.send(`you said: ${String(text)}`)
  console.log(request.url, 'said goodbye') // the loop just ends
})
// #endregion
const { url } = await listen(app, server, { port: 0, host: '127.0.0.1' })
const [first, second] = left.map(({ promise }) => promise)
const polite = new WebSocket(`${url.replace('http', 'ws')}/polite`)
polite.on('message', () => polite.close()).on('open', () => polite.send('hello'))
await first
const rude = new WebSocket(`${url.replace('http', 'ws')}/rude`)
rude.on('message', () => rude.terminate()).on('open', () => rude.send('hello'))
await second
await app.shutdown()
