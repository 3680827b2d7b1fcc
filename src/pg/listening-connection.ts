/**
 * One connection that listens. Nothing tells of a network that fell silent: it is asked from time to time, and given up
 * where it does not answer.
 */
import { ignore } from '../core/dispose.ts'
import { within } from '../core/waiting.ts'
import { disconnect } from './disconnect.ts'
import type { DriverClient } from './driver.ts'

/** A client that is connected by whoever made it. */
export interface OwnClient extends DriverClient {
  connect(callback: (error?: Error | null) => void): void
  on(event: 'error' | 'drain' | 'end', listener: (error?: Error) => void): unknown
  on(
    event: 'notification',
    listener: (message: { readonly channel: string; readonly payload?: string }) => void,
  ): unknown
}

/** Milliseconds: the least that an answer is waited for. */
const shortest = 500

type Callback = (error?: Error | null) => void

export class ListeningConnection {
  /** Resolves when it brings nothing any more. */
  readonly lost: Promise<void>
  readonly #client: OwnClient
  /** Milliseconds between the answer to a question and the next one, and at most for an answer. */
  readonly #heartbeat: number
  readonly #ended: Promise<void>
  #timer: NodeJS.Timeout | undefined = undefined
  #tellLost: () => void = ignore
  /** Whoever waits for an answer. */
  #giveUp: () => void = ignore
  #isLost = false
  #closed = false

  constructor(client: OwnClient, heartbeat: number) {
    this.#client = client
    this.#heartbeat = heartbeat
    this.lost = new Promise((resolve) => {
      this.#tellLost = resolve
    })
    this.#ended = new Promise((resolve) => {
      client.on('end', () => resolve())
    })
    // Without a listener, an error of it would end the process.
    client.on('error', () => this.#lose())
    client.on('end', () => this.#lose())
  }

  /**
   * @param ms for each step
   * @throws what the driver or the server says, or that they say nothing
   */
  async open(
    channel: string,
    ms: number,
    onNotification: (payload: string) => void,
  ): Promise<void> {
    const client = this.#client
    client.on('notification', (message) => {
      if (message.channel === channel && !this.#closed) onNotification(message.payload ?? '')
    })
    try {
      await this.#inTime(ms, 'connecting', (done) => client.connect(done))
      const listen = `LISTEN "${channel.replaceAll('"', '""')}"`
      await this.#inTime(ms, 'LISTEN', (done) => client.query(listen, undefined, done))
    } catch (error) {
      void this.close(false)
      throw error
    }
    this.#askLater()
  }

  /** @param inOrder the server is told, and has the time to answer */
  async close(inOrder: boolean): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    this.#lose()
    // The native client has no socket to close.
    if (this.#client.connection === undefined) this.#client.end?.(ignore)
    await disconnect(this.#client, this.#ended, inOrder)
  }

  #askLater(): void {
    if (this.#closed) return
    this.#timer = setTimeout(() => void this.#ask(), this.#heartbeat)
  }

  async #ask(): Promise<void> {
    try {
      // A short heartbeat is no reason to give up a server, or a process, that is busy.
      const ms = Math.max(this.#heartbeat, shortest)
      await this.#inTime(ms, 'SELECT 1', (done) => this.#client.query('SELECT 1', undefined, done))
      this.#askLater()
    } catch {
      this.#lose()
    }
  }

  #lose(): void {
    this.#isLost = true
    this.#tellLost()
    this.#giveUp()
  }

  /**
   * Not as a race with `lost`, which would remember each of them for as long as the connection lives.
   * @throws where that takes longer, and where the connection is lost or closed meanwhile
   */
  async #inTime(ms: number, what: string, start: (done: Callback) => unknown): Promise<void> {
    const answer = new Promise<void>((resolve, reject) => {
      this.#giveUp = () => reject(new Error(`The connection was closed meanwhile (${what}).`))
      if (this.#isLost) this.#giveUp()
      else start((error) => (error ? reject(error) : resolve()))
    })
    if (await within(ms, answer)) return
    throw new Error(`PostgreSQL did not answer within ${ms} ms (${what}).`)
  }
}
