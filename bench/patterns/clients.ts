/** Clients that ask for as long as they may: over HTTP on a connection kept open, each its next request after an answer. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { newTraffic, noteError, type Traffic } from './patterns.ts'
import { answer } from './requests.ts'

const request = 'GET / HTTP/1.1\r\nhost: bench\r\n\r\n'

/** Whichever comes first. A request that has been sent is waited for. */
export interface Bounds {
  readonly clients: number
  readonly requests: number
  readonly ms: number
}

export async function visit(port: number, bounds: Bounds): Promise<Traffic> {
  const sockets = await Promise.all(Array.from({ length: bounds.clients }, () => open(port)))
  const traffic = newTraffic()
  const left = { requests: bounds.requests }
  const began = performance.now()
  const isOver = (): boolean => left.requests <= 0 || performance.now() - began > bounds.ms
  const one = async (socket: Socket): Promise<void> => {
    while (!isOver()) {
      left.requests -= 1
      // oxlint-disable-next-line no-await-in-loop -- one request after the other
      await exchange(socket, traffic, began)
    }
  }
  await Promise.all(sockets.map(one))
  traffic.ms = performance.now() - began
  for (const socket of sockets) socket.destroy()
  return traffic
}

async function open(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await once(socket, 'connect')
  return socket.setEncoding('latin1')
}

function exchange(socket: Socket, traffic: Traffic, began: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const asked = performance.now()
    let received = ''
    const onClose = (): void => reject(new Error('The service closed the connection.'))
    const onData = (data: string): void => {
      received += data
      if (!isWhole(received)) return
      socket.off('data', onData).off('close', onClose).off('error', reject)
      const body = received.slice(received.indexOf('\r\n\r\n') + 4)
      if (body === answer) traffic.latencies.push(performance.now() - asked)
      else noteError(traffic, began, body)
      resolve()
    }
    socket.on('data', onData).on('close', onClose).on('error', reject)
    socket.write(request)
  })
}

function isWhole(received: string): boolean {
  const end = received.indexOf('\r\n\r\n')
  const length = /\r\ncontent-length: (\d+)/i.exec(received)?.[1]
  return end > 0 && length !== undefined && received.length >= end + 4 + Number(length)
}
