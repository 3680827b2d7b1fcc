/**
 * A wire between the driver and the server that can misbehave: hold back what the server says, lose or delay cancels,
 * fall silent, break. Messages are kept whole.
 */
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'

import { databaseUrl } from './database.ts'

const cancelCode = 80_877_102

export interface Message {
  /** One letter: `Z` is ReadyForQuery, `C` CommandComplete, `E` an error. */
  readonly type: string
  readonly bytes: Buffer
}

export class Wire implements AsyncDisposable {
  /** How many cancel requests came. */
  cancels = 0
  /** What to do with the next cancel request: forward it, close its socket without, or keep it until `letCancelsGo`. */
  onCancel: 'forward' | 'lose' | 'keep' = 'forward'
  /** `true` holds this message of the server, and all after it, until `letGo`. */
  holds: (message: Message) => boolean = () => false
  /** Called with every message of the client. */
  onClientMessage: (message: Message) => void = () => {}
  readonly #server: Server
  readonly #links = new Set<Link>()
  readonly #kept: (() => void)[] = []
  readonly #target = new URL(databaseUrl())
  #frozen = false

  private constructor(server: Server) {
    this.#server = server
    server.on('connection', (client) => this.#accept(client))
  }

  static async start(): Promise<Wire> {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new Wire(server)
  }

  get url(): string {
    const url = new URL(this.#target)
    const { port } = this.#server.address() as AddressInfo
    url.host = `127.0.0.1:${port}`
    return url.href
  }

  get keptCancels(): number {
    return this.#kept.length
  }

  letGo(): void {
    this.holds = () => false
    for (const link of this.#links) link.letGo()
  }

  letCancelsGo(): void {
    for (const forward of this.#kept.splice(0)) forward()
  }

  /** Nothing passes any more, in either direction, and nobody is told. */
  freeze(): void {
    this.#frozen = true
  }

  /** Every connection breaks. */
  cut(): void {
    for (const link of this.#links) link.destroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.letCancelsGo()
    this.cut()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #accept(client: Socket): void {
    client.on('error', () => {})
    if (this.#frozen) {
      // Read, or its end is never noticed.
      client.resume()
      return
    }
    client.once('data', (first: Buffer) => {
      if (first.length === 16 && first.readInt32BE(4) === cancelCode) this.#cancel(client, first)
      else this.#link(client, first)
    })
  }

  #cancel(client: Socket, request: Buffer): void {
    this.cancels += 1
    if (this.onCancel === 'lose') {
      client.destroy()
      return
    }
    const forward = (): void => {
      const server = this.#connect()
      server.write(request)
      server.on('close', () => client.destroy())
      server.resume()
    }
    if (this.onCancel === 'keep') this.#kept.push(forward)
    else forward()
  }

  #link(client: Socket, first: Buffer): void {
    const link: Link = new Link(client, this.#connect(), {
      frozen: () => this.#frozen,
      holds: (message) => this.holds(message),
      onClientMessage: (message) => this.onClientMessage(message),
      onClose: () => this.#links.delete(link),
    })
    this.#links.add(link)
    link.start(first)
  }

  #connect(): Socket {
    const { hostname, port } = this.#target
    return connect(Number(port || 5432), hostname).on('error', () => {})
  }
}

interface Behaviour {
  frozen(): boolean
  holds(message: Message): boolean
  onClientMessage(message: Message): void
  onClose(): void
}

class Link {
  readonly #client: Socket
  readonly #server: Socket
  readonly #behaviour: Behaviour
  readonly #fromServer = new Framer()
  readonly #fromClient = new Framer()
  #held: Buffer[] | undefined

  constructor(client: Socket, server: Socket, behaviour: Behaviour) {
    this.#client = client
    this.#server = server
    this.#behaviour = behaviour
  }

  start(first: Buffer): void {
    this.#server.write(first)
    this.#client.on('data', (chunk: Buffer) => this.#up(chunk))
    this.#server.on('data', (chunk: Buffer) => this.#down(chunk))
    this.#client.on('close', () => this.destroy())
    this.#server.on('close', () => this.destroy())
  }

  letGo(): void {
    const held = this.#held ?? []
    this.#held = undefined
    for (const bytes of held) this.#client.write(bytes)
  }

  destroy(): void {
    this.#client.destroy()
    this.#server.destroy()
    this.#behaviour.onClose()
  }

  #up(chunk: Buffer): void {
    if (this.#behaviour.frozen()) return
    for (const message of this.#fromClient.take(chunk)) this.#behaviour.onClientMessage(message)
    this.#server.write(chunk)
  }

  #down(chunk: Buffer): void {
    if (this.#behaviour.frozen()) return
    for (const message of this.#fromServer.take(chunk)) {
      if (this.#held === undefined && this.#behaviour.holds(message)) this.#held = []
      if (this.#held === undefined) this.#client.write(message.bytes)
      else this.#held.push(message.bytes)
    }
  }
}

/** A type, a length that counts itself, a body. */
class Framer {
  #rest: Buffer = Buffer.alloc(0)

  take(chunk: Buffer): Message[] {
    this.#rest = Buffer.concat([this.#rest, chunk])
    const messages: Message[] = []
    while (this.#rest.length >= 5) {
      const length = 1 + this.#rest.readInt32BE(1)
      if (this.#rest.length < length) break
      const bytes = this.#rest.subarray(0, length)
      messages.push({ type: String.fromCodePoint(bytes[0] ?? 0), bytes })
      this.#rest = this.#rest.subarray(length)
    }
    return messages
  }
}
