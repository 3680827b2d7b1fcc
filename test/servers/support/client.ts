/** Clients that behave, and one that does with its connection what it is told. */
import { once } from 'node:events'
import { request as send, type IncomingHttpHeaders } from 'node:http'
import { connect, type Socket } from 'node:net'

export interface Answer {
  readonly status: number | undefined
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export interface Asked {
  readonly method?: string | undefined
  readonly body?: string | undefined
  readonly headers?: Record<string, string> | undefined
}

/** One request on a connection of its own. */
export async function ask(
  { port }: { readonly port: number },
  path: string,
  options: Asked = {},
): Promise<Answer> {
  const { method = 'GET', body, headers } = options
  const request = send({ host: '127.0.0.1', port, path, method, headers, agent: false })
  request.end(body)
  const [response] = await once(request, 'response')
  let text = ''
  for await (const chunk of response.setEncoding('utf8')) text += chunk
  return { status: response.statusCode, headers: response.headers, body: text }
}

/** A connection under full control. */
export class Peer implements Disposable {
  received = ''
  readonly socket: Socket
  /** Resolves when the connection has ended, however. */
  readonly closed: Promise<unknown>
  #look: (() => void) | undefined

  constructor(socket: Socket) {
    this.socket = socket
    this.closed = new Promise((resolve) => socket.once('close', resolve))
    socket.setEncoding('latin1')
    socket.on('error', () => {})
    socket.on('data', (text: string) => {
      this.received += text
      this.#look?.()
    })
  }

  static async connect({ port }: { readonly port: number }, allowHalfOpen = false): Promise<Peer> {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen })
    await once(socket, 'connect')
    return new Peer(socket)
  }

  get(path: string, ...headers: string[]): void {
    this.socket.write(['GET ' + path + ' HTTP/1.1', 'Host: test', ...headers, '', ''].join('\r\n'))
  }

  post(path: string, body: string, length: number = body.length): void {
    const head = [`POST ${path} HTTP/1.1`, 'Host: test', `Content-Length: ${length}`, '', '']
    this.socket.write(head.join('\r\n') + body)
  }

  /** Resolves once `text` has arrived `times` times. */
  async until(text: string, times = 1): Promise<void> {
    const there = (): boolean => this.received.split(text).length > times
    if (there()) return
    await new Promise<void>((resolve, reject) => {
      this.#look = () => {
        if (!there()) return
        // Not again at each piece of what may be megabytes.
        this.#look = undefined
        resolve()
      }
      this.socket.once('close', () => {
        if (there()) resolve()
        else
          reject(
            new Error(
              `The connection closed before ${JSON.stringify(text)} arrived, after ${JSON.stringify(this.received)}.`,
            ),
          )
      })
    })
  }

  /** Leave without a FIN. */
  reset(): void {
    this.socket.resetAndDestroy()
  }

  [Symbol.dispose](): void {
    this.socket.destroy()
  }
}
