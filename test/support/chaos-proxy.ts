/**
 * A wire between the driver and the server that can misbehave: hold back, split or delay what the server says, lose or
 * delay cancels, fall silent, break, in order or with a reset.
 */
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

const cancelCode = 80_877_102

export interface Message {
  /** One letter: `Z` is ReadyForQuery, `C` CommandComplete, `E` an error; of a client, `Q` is a statement. */
  readonly type: string
  readonly bytes: Buffer
}

export class Wire implements AsyncDisposable {
  /** How many cancel requests came. */
  cancels = 0
  /** What to do with the next cancel request: forward it, close its socket without, or keep it until `letCancelsGo`. */
  onCancel: 'forward' | 'lose' | 'keep' = 'forward'
  /** Asked for every message of the server; `true` holds this one, and all after it, until `letGo`. */
  holds: (message: Message) => boolean = () => false
  /** Called with every message of the client, before it is sent on. */
  onClientMessage: (message: Message) => void = () => {}
  /** What the server says comes in pieces of one to so many bytes. */
  pieces: number | undefined = undefined
  /** Milliseconds, at most, between two pieces, or two messages. */
  delay = 0
  /** So many of the next connections are closed at once. */
  refusals = 0
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #links = new Set<Link>()
  readonly #kept: (() => void)[] = []
  readonly #target: URL

  private constructor(server: Server, target: string) {
    this.#server = server
    this.#target = new URL(target)
    server.on('connection', (client) => this.#accept(client))
  }

  /** @param target the URL of the server */
  static async start(target = process.env['DATABASE_URL'] ?? ''): Promise<Wire> {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new Wire(server, target)
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

  /** On the connections that are open now, nothing passes any more, in either direction, and nobody is told. */
  freeze(): void {
    for (const link of this.#links) link.frozen = true
  }

  /** Every connection breaks: closed, or with a reset. */
  cut(how: 'close' | 'reset' = 'close'): void {
    for (const link of this.#links) link.break(how)
  }

  /** One of them does. */
  cutOne(how: 'close' | 'reset' = 'close'): void {
    const links = [...this.#links]
    links[Math.floor(Math.random() * links.length)]?.break(how)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.letCancelsGo()
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
    await once(this.#server, 'close')
  }

  #accept(client: Socket): void {
    this.#keep(client)
    if (this.refusals > 0) {
      this.refusals -= 1
      client.destroy()
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
    const link: Link = new Link(client, this.#connect(), this)
    this.#links.add(link)
    client.on('close', () => this.#links.delete(link))
    link.start(first)
  }

  #connect(): Socket {
    const { hostname, port } = this.#target
    return this.#keep(connect(Number(port || 5432), hostname))
  }

  #keep(socket: Socket): Socket {
    this.#sockets.add(socket)
    return socket
      .setNoDelay()
      .on('error', () => {})
      .on('close', () => this.#sockets.delete(socket))
  }
}

class Link {
  frozen = false
  readonly #client: Socket
  readonly #server: Socket
  readonly #wire: Wire
  readonly #fromServer = new Framer()
  readonly #fromClient = new Framer()
  #held: Buffer[] | undefined
  #down = Promise.resolve()
  #slow = false

  constructor(client: Socket, server: Socket, wire: Wire) {
    this.#client = client
    this.#server = server
    this.#wire = wire
  }

  start(first: Buffer): void {
    this.#server.write(first)
    this.#client.on('data', (chunk: Buffer) => this.#fromTheClient(chunk))
    this.#server.on('data', (chunk: Buffer) => this.#fromTheServer(chunk))
    this.#client.on('close', () => this.#server.destroy())
    this.#server.on('close', () => {
      if (!this.frozen) this.#client.destroy()
    })
  }

  letGo(): void {
    const held = this.#held ?? []
    this.#held = undefined
    for (const bytes of held) this.#say(bytes)
  }

  break(how: 'close' | 'reset'): void {
    if (how === 'reset') this.#client.resetAndDestroy()
    else this.#client.destroy()
    this.#server.destroy()
  }

  #fromTheClient(chunk: Buffer): void {
    for (const message of this.#fromClient.take(chunk)) this.#wire.onClientMessage(message)
    if (!this.frozen) this.#server.write(chunk)
  }

  #fromTheServer(chunk: Buffer): void {
    for (const message of this.#fromServer.take(chunk)) {
      if (this.#wire.holds(message)) this.#held ??= []
      if (this.#held === undefined) this.#say(message.bytes)
      else this.#held.push(message.bytes)
    }
  }

  #say(bytes: Buffer): void {
    const { pieces, delay } = this.#wire
    if (pieces === undefined && delay === 0 && !this.#slow) this.#write(bytes)
    else {
      this.#slow = true
      this.#down = this.#down.then(() => this.#saySlowly(bytes, pieces ?? bytes.length, delay))
    }
  }

  async #saySlowly(bytes: Buffer, pieces: number, delay: number): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const end = at + 1 + Math.floor(Math.random() * pieces)
      this.#write(bytes.subarray(at, end))
      at = end
      if (delay > 0) await pause(Math.random() * delay)
      else await new Promise(setImmediate)
    }
  }

  #write(bytes: Buffer): void {
    if (!this.frozen && this.#client.writable) this.#client.write(bytes)
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
