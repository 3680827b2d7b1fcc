/** Two ends of a WebSocket: as the driver gives them, on a free port of the loopback. */
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { WebSocket, WebSocketServer, type ServerOptions } from 'ws'

import { within } from '../../core/support/promises.ts'

/** A server that ends with its test, and everybody who is connected with it. */
export async function openServer(
  t: TestContext,
  options?: ServerOptions,
): Promise<WebSocketServer> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', ...options })
  t.after(() => {
    for (const client of server.clients ?? []) client.terminate()
    server.close()
  })
  await within(once(server, 'listening'))
  return server
}

export function urlOf(server: WebSocketServer, path: string = ''): string {
  // A listening server of TCP has such an address.
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}${path}`
}

export interface Ends {
  readonly server: WebSocketServer
  /** The server's end. */
  readonly here: WebSocket
  /** The client's end. */
  readonly there: WebSocket
}

/** One open connection. */
export async function openPair(t: TestContext, options?: ServerOptions): Promise<Ends> {
  const server = await openServer(t, options)
  const accepted = once(server, 'connection') as Promise<[WebSocket, IncomingMessage]>
  const there = openClient(t, server)
  const [[here]] = await within(Promise.all([accepted, once(there, 'open')]))
  return { server, here, there }
}

/** A client that ends with its test. */
export function openClient(
  t: TestContext,
  server: WebSocketServer,
  { path = '', autoPong = true }: { path?: string; autoPong?: boolean } = {},
): WebSocket {
  const client = new WebSocket(urlOf(server, path), { autoPong })
  // It may be cut off by its server, or before it is open.
  client.on('error', () => {})
  t.after(() => client.terminate())
  return client
}

/** The close code and the reason that `socket` is told. */
export async function closeOf(socket: WebSocket): Promise<[code: number, reason: string]> {
  const [code, reason] = (await within(once(socket, 'close'))) as [number, Buffer]
  return [code, reason.toString()]
}

/** Everything that is said until the end. */
export async function everything<T>(messages: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const message of messages) all.push(message)
  return all
}

/** The next message; fails the test where there is none. */
export async function next<T>(messages: AsyncIterable<T>): Promise<T> {
  const { done, value } = await within(messages[Symbol.asyncIterator]().next())
  if (done === true) throw new Error('There is no further message.')
  return value
}
