/** An app behind a server on loopback, with its inspector in front of it. */
import { once } from 'node:events'
import { createServer, request, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

import { createApp, type App } from 'unwind'
import { inspector, type Inspector, type InspectorOptions } from 'unwind/inspector'

export interface Answer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

export interface Asked {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** What the server says of itself where the inspector does not answer. */
export const elsewhere = 'This is the program itself.'

export class Site implements AsyncDisposable {
  readonly app: App
  readonly look: Inspector
  readonly server: Server
  readonly base: string

  private constructor(app: App, look: Inspector, server: Server) {
    this.app = app
    this.look = look
    this.server = server
    // A server on TCP has such an address.
    this.base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  static async open(options?: InspectorOptions, app = createApp({ name: 'shop' })): Promise<Site> {
    const look = inspector(app, options)
    const server = createServer((asked, response) => {
      if (!look.handler(asked, response)) response.end(elsewhere)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new Site(app, look, server)
  }

  /** The answer to one request, redirects included. */
  async ask(path: string, { method = 'GET', headers = {} }: Asked = {}): Promise<Answer> {
    const response = await this.begin(path, { method, headers })
    const { statusCode: status = 0 } = response
    return { status, headers: response.headers, body: await text(response) }
  }

  /** An answer whose body has not come yet. */
  async begin(
    path: string,
    { method = 'GET', headers = {} }: Asked = {},
  ): Promise<IncomingMessage> {
    const { hostname, port } = new URL(this.base)
    // The path as it is written: a URL would tidy it.
    const asked = request({ hostname, port, path, method, headers, agent: false })
    asked.end()
    const [response] = (await once(asked, 'response')) as [IncomingMessage]
    return response
  }

  /** The path of a URL with a new token. */
  ticket(): string {
    const { pathname, search } = new URL(this.look.url(this.base))
    return pathname + search
  }

  /** A cookie of one who was let in, as a browser would send it. */
  async enter(headers: Readonly<Record<string, string>> = {}): Promise<{ cookie: string }> {
    const { headers: answered } = await this.ask(this.ticket(), { headers })
    const [cookie = ''] = answered['set-cookie'] ?? []
    return { cookie: cookie.split(';')[0] ?? '' }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.look[Symbol.asyncDispose]()
    this.server.close()
    this.server.closeAllConnections()
    await this.app.close()
  }
}
