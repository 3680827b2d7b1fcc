/**
 * The read-only connections beside the writer: opened when needed, each lent to one at a time. Where there are none,
 * the writer's connection is lent, to everybody at once.
 */
import type { Connection } from './connection.ts'
import { Line, type Asking } from './line.ts'
import { ReaderLease } from './reader.ts'
import type { Writer } from './writer.ts'

/** The place of a connection, which is opened for the first reader, and again after one that changed it. */
interface Slot {
  connection: Connection | undefined
}

export class Readers {
  readonly #writer: Writer
  readonly #limit: number
  readonly #open: () => Connection
  readonly #slots: Slot[] = []
  readonly #idle: Slot[] = []
  readonly #line = new Line<Slot>()
  readonly #leases = new Set<ReaderLease>()

  constructor(writer: Writer, limit: number, open: () => Connection) {
    this.#writer = writer
    this.#limit = limit
    this.#open = open
  }

  async lease(by: Asking): Promise<ReaderLease> {
    if (this.#limit === 0) return this.#lend(this.#writer.connection, undefined)
    void this.#writer.open
    const slot = this.#free() ?? (await this.#wait(by.signal))
    return this.#lend(this.#connectionIn(slot), slot)
  }

  /** End every lease and close the connections. Does nothing the second time. */
  close(): void {
    this.#line.dismiss(this, this.#writer.released())
    for (const lease of this.#leases) lease.dispose()
    for (const slot of this.#slots.splice(0)) closeIn(slot, 'its database was disposed')
    this.#idle.length = 0
  }

  /** @param slot of the connection, if it is not the writer's */
  #lend(connection: Connection, slot: Slot | undefined): ReaderLease {
    const lease = new ReaderLease(connection, slot === undefined, (changed) => {
      this.#leases.delete(lease)
      if (slot !== undefined) this.#giveBack(slot, changed)
    })
    this.#leases.add(lease)
    return lease
  }

  #giveBack(slot: Slot, changed: boolean): void {
    try {
      if (changed) closeIn(slot, 'its reader changed its connection, and was released')
    } finally {
      this.#pass(slot)
    }
  }

  #free(): Slot | undefined {
    const idle = this.#idle.pop()
    if (idle !== undefined || this.#slots.length >= this.#limit) return idle
    const slot: Slot = { connection: undefined }
    this.#slots.push(slot)
    return slot
  }

  #connectionIn(slot: Slot): Connection {
    try {
      return (slot.connection ??= this.#open())
    } catch (error) {
      this.#pass(slot)
      throw error
    }
  }

  async #wait(signal: AbortSignal | undefined): Promise<Slot> {
    const slot = await this.#line.wait(this, signal)
    // Between the turn and this line others ran; a disposed database has closed the connection.
    void this.#writer.open
    if (signal?.aborted !== true) return slot
    this.#pass(slot)
    throw signal.reason
  }

  #pass(slot: Slot): void {
    if (!this.#line.serve(slot)) this.#idle.push(slot)
  }
}

function closeIn(slot: Slot, why: string): void {
  const { connection } = slot
  slot.connection = undefined
  connection?.close(why)
}
