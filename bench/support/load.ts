/**
 * The plainest client there is: a few connections, each of which sends its next request when it has its answer. What it
 * costs is the same for every server, and it stops on a request, not on a clock.
 */
import { connect, type Socket } from 'node:net'

const request = 'POST /orders HTTP/1.1\r\nhost: bench\r\ncontent-length: 0\r\n\r\n'

export interface Load {
  readonly port: number
  readonly connections: number
  readonly requests: number
}

/** @returns how many milliseconds it took. Throws for an answer that is not 200. */
export async function load({ port, connections, requests }: Load): Promise<number> {
  const left = { requests }
  const sockets = await Promise.all(Array.from({ length: connections }, () => open(port)))
  const began = performance.now()
  await Promise.all(sockets.map((socket) => converse(socket, left)))
  const took = performance.now() - began
  for (const socket of sockets) socket.destroy()
  return took
}

function open(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true }, () => resolve(socket))
    socket.once('error', reject)
  })
}

function converse(socket: Socket, left: { requests: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    let received = ''
    const next = (): void => {
      if (left.requests === 0) return resolve()
      left.requests -= 1
      socket.write(request)
    }
    socket.on('data', (data) => {
      received += data.toString('latin1')
      if (!isWhole(received)) return
      if (!received.startsWith('HTTP/1.1 200')) return reject(new Error(received))
      received = ''
      next()
    })
    socket.on('error', reject)
    socket.on('close', () => reject(new Error('The server closed the connection.')))
    next()
  })
}

export function isWhole(received: string): boolean {
  const end = received.indexOf('\r\n\r\n')
  const length = /\r\ncontent-length: (\d+)/i.exec(received)?.[1]
  return end > 0 && length !== undefined && received.length >= end + 4 + Number(length)
}
