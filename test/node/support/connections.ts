/** Servers on a free port of the loopback, and raw connections to them. */
import { once } from 'node:events'
import { connect, type AddressInfo, type NetConnectOpts, type Server, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { within } from '../../core/support/promises.ts'

export async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await within(once(server, 'listening'))
  return portOf(server)
}

export function portOf(server: Server): number {
  // A listening server of TCP has such an address.
  return (server.address() as AddressInfo).port
}

/** A connection that the server has accepted. */
export async function connected(t: TestContext, server: Server): Promise<Socket> {
  const accepted = once(server, 'connection')
  const address = server.address()
  const path: NetConnectOpts | undefined =
    typeof address === 'string' ? { path: address } : undefined
  const socket = connect(path ?? { port: portOf(server), host: '127.0.0.1' })
  t.after(() => socket.destroy())
  // The server may cut it.
  socket.on('error', () => {})
  await within(Promise.all([accepted, once(socket, 'connect')]))
  return socket
}

/** Everything that comes until the other side closes. */
export async function received(socket: Socket): Promise<string> {
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  if (!socket.closed) await within(once(socket, 'close'))
  return Buffer.concat(chunks).toString('latin1')
}

export const get = 'GET / HTTP/1.1\r\nHost: test\r\n\r\n'
export const upgrade =
  'GET / HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\n'
