/**
 * The event stream: a picture a second to whoever looks, and not a step of work while nobody does. A client that does
 * not read is dropped before what waits for it fills the memory.
 */
import type { ServerResponse } from 'node:http'
import { unhurried } from '../core/deadline.ts'
import { ignore } from '../core/dispose.ts'
import { answerForNow } from './answer.ts'

/** Clients at a time. */
export const mostClients = 4
/** Bytes that may wait for a client. */
const mostBuffered = 1_048_576
/** Milliseconds. */
const interval = 1_000

export class Feed {
  readonly #draw: () => string
  readonly #clients = new Set<ServerResponse>()
  #timer: NodeJS.Timeout | undefined = undefined

  /** @param draw the picture of now, as one line of JSON */
  constructor(draw: () => string) {
    this.#draw = draw
  }

  get full(): boolean {
    return this.#clients.size >= mostClients
  }

  add(client: ServerResponse): void {
    answerForNow(client, 'text/event-stream; charset=utf-8')
    this.#clients.add(client)
    client.on('close', () => this.#remove(client))
    // A client that breaks off is closed next; the error says no more.
    client.on('error', ignore)
    client.write(`retry: ${interval}\n`)
    this.#send(client, this.#event())
    this.#timer ??= unhurried(setInterval(() => this.#tick(), interval))
  }

  /** A client that does not read would keep its connection for ever: it loses the last picture instead. */
  end(): void {
    for (const client of this.#clients) {
      if (client.writableLength > 0) client.destroy()
      else client.end()
    }
    this.#clients.clear()
    this.#stop()
  }

  #tick(): void {
    const event = this.#event()
    for (const client of this.#clients) this.#send(client, event)
  }

  #event(): string {
    return `data: ${this.#draw()}\n\n`
  }

  #send(client: ServerResponse, event: string): void {
    if (client.writableLength > mostBuffered) client.destroy()
    else client.write(event)
  }

  #remove(client: ServerResponse): void {
    this.#clients.delete(client)
    if (this.#clients.size === 0) this.#stop()
  }

  #stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}
