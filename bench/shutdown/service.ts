/** `node bench/shutdown/service.ts STRATEGY`: the service that is ended. Its port goes to whoever started it. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { writeSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'

import { large } from './clients.ts'
import { strategies } from './strategies.ts'

const strategy = strategies[process.argv[2] ?? '']
if (strategy === undefined) throw new Error(`No strategy "${process.argv[2]}".`)
const body = Buffer.alloc(large, 'x')

const server = strategy((request, response) => void answer(request, response))
server.on('upgrade', (_request, socket) => {
  socket.on('error', () => {})
  socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\n')
})
// Whoever is not among these was connected by the system alone.
const accepted: number[] = []
server.on('connection', ({ remotePort }: Socket) => accepted.push(remotePort ?? 0))
process.on('exit', () => writeSync(1, JSON.stringify(accepted)))
server.listen(0, '127.0.0.1', () => {
  process.send?.((server.address() as AddressInfo).port)
})

async function answer({ url }: IncomingMessage, response: ServerResponse): Promise<void> {
  if (url === '/download') {
    response.setHeader('Content-Length', large)
    response.end(body)
    return
  }
  if (url === '/slow') await delay(1_500)
  response.end('done')
}
