/** Those who are connected when a service is told to end, and what became of them. */
import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

/** Bytes of an answer that is larger than the buffers of the system. */
export const large: number = 16 * 1024 * 1024

/** A connection that does what it is told, and nothing by itself. */
export class RawClient implements Disposable {
  readonly socket: Socket
  /** Why it ended, where that was not in good order. */
  error: NodeJS.ErrnoException | undefined
  /** Of all that came. */
  bytes = 0
  head = ''
  readonly closed: Promise<void>

  private constructor(socket: Socket) {
    this.socket = socket
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()))
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.error = error
    })
    socket.on('data', (chunk: Buffer) => {
      this.bytes += chunk.length
      if (!this.head.includes('\r\n\r\n')) this.head += chunk.toString('latin1')
    })
  }

  static async open(port: number, text: string = ''): Promise<RawClient> {
    const socket = connect({ port, host: '127.0.0.1' })
    await once(socket, 'connect')
    const client = new RawClient(socket)
    if (text !== '') socket.write(text)
    return client
  }

  /** Resolves once something has come. */
  async answered(): Promise<void> {
    if (this.bytes === 0) await once(this.socket, 'data')
  }

  [Symbol.dispose](): void {
    this.socket.destroy()
  }
}

export function get(path: string, ...headers: string[]): string {
  return [`GET ${path} HTTP/1.1`, 'Host: test', ...headers, '', ''].join('\r\n')
}

/** Reads a large answer in small pieces. */
export class SlowDownload implements Disposable {
  readonly #client: RawClient

  private constructor(client: RawClient) {
    this.#client = client
  }

  /** One that has its first bytes, and does not read on. */
  static async begin(port: number, path: string = '/download'): Promise<SlowDownload> {
    const client = await RawClient.open(port, get(path))
    await client.answered()
    client.socket.pause()
    return new SlowDownload(client)
  }

  /** Read what is left, `rate` bytes a second. */
  async readOn(rate: number): Promise<void> {
    const { socket } = this.#client
    const pause = 20
    while (!socket.destroyed && !this.whole) {
      const until = this.#client.bytes + (rate * pause) / 1_000
      socket.resume()
      while (this.#client.bytes < until && !socket.destroyed && !this.whole) await anything(socket)
      socket.pause()
      await delay(pause)
    }
    socket.resume()
  }

  get whole(): boolean {
    const { head, bytes } = this.#client
    const end = head.indexOf('\r\n\r\n')
    return end >= 0 && bytes - end - 4 === large
  }

  [Symbol.dispose](): void {
    this.#client[Symbol.dispose]()
  }
}

function anything(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      socket.off('data', done).off('close', done).off('end', done)
      resolve()
    }
    socket.on('data', done).on('close', done).on('end', done)
  })
}

/** Where a connection was made from, and the how manieth from there: the system gives out a port again. */
export interface Origin {
  readonly port: number
  readonly nth: number
}

/** How many connections were made from each port. */
export type Made = Map<number, number>

/** What became of quick requests, one after the other in several lanes. */
export interface Answers {
  answered: number
  /** Nobody listened any more: the client goes elsewhere. */
  refused: number
  /** An open connection ended without the answer that it waited for. */
  reset: number
  /** From where; nothing where the connection was not made. */
  readonly resets: (Origin | undefined)[]
  /** An answer other than 200, such as a 503 from a service that closes. */
  turnedAway: number
}

/**
 * Quick requests in many lanes until `signal` aborts. Half of the lanes keep their connections, the others make one for
 * each request, which is the harder case: one may be on its way when the service closes its door.
 */
export async function keepAsking(
  port: number,
  lanes: number,
  made: Made,
  signal: AbortSignal,
): Promise<Answers> {
  const agent = new Agent({ keepAlive: true })
  const answers: Answers = { answered: 0, refused: 0, reset: 0, resets: [], turnedAway: 0 }
  const lane = async (kept: boolean): Promise<void> => {
    while (!signal.aborted) {
      const { outcome, from } = await ask(port, made, kept ? agent : false)
      answers[outcome] += 1
      if (outcome === 'reset') answers.resets.push(from)
      // As a client that tries again later would.
      if (outcome === 'refused' || outcome === 'reset') await delay(50)
    }
  }
  await Promise.all(Array.from({ length: lanes }, (_, i) => lane(i % 2 === 0)))
  agent.destroy()
  return answers
}

/** Those that the service had accepted, by the ports that it saw. The others were connected by the system alone. */
export function cutAmong(resets: Answers['resets'], accepted: readonly number[]): Origin[] {
  const seen: Made = new Map()
  for (const port of accepted) seen.set(port, (seen.get(port) ?? 0) + 1)
  return resets.filter(
    (from): from is Origin => from !== undefined && (seen.get(from.port) ?? 0) >= from.nth,
  )
}

interface Asked {
  readonly outcome: Exclude<keyof Answers, 'resets'>
  readonly from: Origin | undefined
}

function ask(port: number, made: Made, agent: Agent | false): Promise<Asked> {
  return new Promise((resolve) => {
    let from: Origin | undefined
    const end = (outcome: Asked['outcome']): void => resolve({ outcome, from })
    const asked = request({ host: '127.0.0.1', port, path: '/quick', agent })
    asked.on('socket', (socket) => {
      const connected = (count: 0 | 1): void => {
        const local = socket.localPort ?? 0
        const nth = (made.get(local) ?? 0) + count
        made.set(local, nth)
        from = { port: local, nth }
      }
      if (socket.connecting) socket.once('connect', () => connected(1))
      else connected(0)
    })
    asked.on('response', (response) => {
      response.on('error', () => end('reset'))
      response.on('end', () => end(response.statusCode === 200 ? 'answered' : 'turnedAway'))
      response.resume()
    })
    asked.on('error', ({ code }: NodeJS.ErrnoException) => {
      // A kept connection may end between two requests; Node.js says so, and a client sends again.
      const raced = asked.reusedSocket && code === 'ECONNRESET'
      end(code === 'ECONNREFUSED' || raced ? 'refused' : 'reset')
    })
    asked.end()
  })
}
