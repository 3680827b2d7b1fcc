/**
 * Connections without a kernel: each sends its next request when the answer to the last one was written. What is left is
 * the time of JavaScript alone, which a busy machine disturbs less; a ratio is then stricter than with real sockets.
 */
import type { Server } from 'node:http'
import { Duplex } from 'node:stream'

const head = Buffer.from('GET /orders/7?full=1 HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n')

export function connectInMemory(server: Server, connections: number): Connection[] {
  return Array.from({ length: connections }, () => {
    const connection = new Connection()
    server.emit('connection', connection)
    connection.ask()
    return connection
  })
}

/** The part of a socket that a server of Node.js uses. */
export class Connection extends Duplex {
  readonly remoteAddress = '127.0.0.1'

  ask(): void {
    if (!this.destroyed) this.push(head)
  }

  setTimeout(): this {
    return this
  }

  override _read(): void {}

  override _write(_chunk: unknown, _encoding: string, done: () => void): void {
    done()
    setImmediate(() => this.ask())
  }

  override _writev(_chunks: unknown, done: () => void): void {
    done()
    setImmediate(() => this.ask())
  }
}
