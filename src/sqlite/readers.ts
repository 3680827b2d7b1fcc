/**
 * The read-only connections beside the writer: opened when needed, each lent to one at a time. Where there are none,
 * the writer's connection is lent, to everybody at once.
 */
import type { Connection } from './connection.ts'
import { Line } from './line.ts'
import { ReaderLease, type ReaderSource } from './reader.ts'
import type { Writer } from './writer.ts'

export class Readers implements ReaderSource {
  readonly #writer: Writer
  readonly #limit: number
  readonly #open: () => Connection
  readonly #connections: Connection[] = []
  readonly #idle: Connection[] = []
  readonly #line = new Line<Connection>()
  readonly #leases = new Set<ReaderLease>()

  constructor(writer: Writer, limit: number, open: () => Connection) {
    this.#writer = writer
    this.#limit = limit
    this.#open = open
  }

  async lease(signal: AbortSignal | undefined): Promise<ReaderLease> {
    const shared = this.#writer.connection
    signal?.throwIfAborted()
    const connection = this.#limit === 0 ? shared : (this.#free() ?? (await this.#wait(signal)))
    const lease = new ReaderLease(connection, this)
    this.#leases.add(lease)
    return lease
  }

  giveBack(lease: ReaderLease, connection: Connection): void {
    this.#leases.delete(lease)
    if (this.#limit > 0) this.#pass(connection)
  }

  /** End every lease and close the connections. Does nothing the second time. */
  close(): void {
    this.#line.dismiss(this, this.#writer.released())
    for (const lease of this.#leases) lease.dispose()
    for (const connection of this.#connections.splice(0)) connection.close(byDispose)
    this.#idle.length = 0
  }

  #free(): Connection | undefined {
    const idle = this.#idle.pop()
    if (idle !== undefined || this.#connections.length >= this.#limit) return idle
    const connection = this.#open()
    this.#connections.push(connection)
    return connection
  }

  async #wait(signal: AbortSignal | undefined): Promise<Connection> {
    const connection = await this.#line.wait(this, signal)
    // Between the turn and this line others ran; a disposed database has closed the connection.
    void this.#writer.connection
    if (signal?.aborted !== true) return connection
    this.#pass(connection)
    throw signal.reason
  }

  #pass(connection: Connection): void {
    if (!this.#line.serve(connection)) this.#idle.push(connection)
  }
}

const byDispose = 'its database was disposed'
