/**
 * A server with everything that its requests hold under observation. After each test: as many scopes closed as were
 * opened, each disposer ran once, in reverse order, in the context of its scope, and nothing is live.
 */
import assert from 'node:assert/strict'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

import { createApp, currentScope, tryCurrentScope, type App, type Exit, type Scope } from 'unwind'
import { listen, type AdapterOptions } from 'unwind/http'

import type { Handler, Kind } from './kinds.ts'

/** One scope that a handler ran in. */
export interface Watched {
  readonly scope: Scope
  /** How the scope ended, as its last disposer sees it. */
  readonly exit: Promise<Exit>
  readonly released: string[]
}

export class Site implements AsyncDisposable {
  readonly app: App
  readonly watched: Watched[] = []
  /** What reached the `onError` of the app. */
  readonly reported: unknown[] = []
  /** Of the connections that were made. */
  readonly sockets: Socket[] = []
  readonly #strangers: string[] = []
  readonly #unhandled: unknown[] = []
  #server: Server | undefined
  #listening: AsyncDisposable | undefined

  constructor() {
    this.app = createApp({ name: 'site', onError: (error) => this.reported.push(error) })
    process.on('unhandledRejection', this.#note)
  }

  static async open(
    make: (site: Site) => RequestListener,
    server: Server = createServer(),
  ): Promise<Site> {
    const site = new Site()
    server.on('request', make(site))
    await site.#listen(server)
    return site
  }

  /** A server of `kind`, each call of whose handler is watched. */
  static async serve(
    kind: Pick<Kind, 'open'>,
    handler: Handler,
    options: AdapterOptions = {},
  ): Promise<Site> {
    const site = new Site()
    const watched: Handler = (call) => {
      site.watch(call.scope)
      return handler(call)
    }
    const { server, stop } = await kind.open(site.app, watched, options)
    await site.#listen(server)
    site.app.defer(stop)
    return site
  }

  get server(): Server {
    if (this.#server === undefined) throw new Error('There is no server yet.')
    return this.#server
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port
  }

  /** To be called by each handler, once. */
  watch(scope: Scope = currentScope()): Watched {
    const released: string[] = []
    const ended = Promise.withResolvers<Exit>()
    const note = (name: string): void => {
      released.push(name)
      if (tryCurrentScope() !== scope) this.#strangers.push(`${scope.name} ${name}`)
    }
    scope.defer((exit) => {
      note('first')
      ended.resolve(exit)
    })
    scope.adopt({}, async () => {
      await Promise.resolve()
      note('second')
    })
    scope.use({ [Symbol.dispose]: () => note('third') })
    const watched = { scope, exit: ended.promise, released }
    this.watched.push(watched)
    return watched
  }

  /** The outcomes of all requests so far, once they are closed. */
  async outcomes(): Promise<Exit[]> {
    const exits = await Promise.all(this.watched.map(({ exit }) => exit))
    await Promise.all(this.watched.map(({ scope }) => scope.close()))
    return exits
  }

  async statuses(): Promise<string[]> {
    return (await this.outcomes()).map(({ status }) => status)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.outcomes()
    for (const { released, scope } of this.watched) {
      assert.deepEqual(released, ['third', 'second', 'first'], scope.name)
      assert.equal(scope.state, 'closed')
    }
    assert.deepEqual(this.#strangers, [], 'disposers ran in the context of another scope')
    assert.deepEqual(this.app.inspect().children, [], 'scopes are live')
    await this.#listening?.[Symbol.asyncDispose]()
    await this.app.close()
    process.off('unhandledRejection', this.#note)
    assert.deepEqual(this.#unhandled, [], 'rejections were not handled')
  }

  readonly #note = (error: unknown): void => {
    this.#unhandled.push(error)
  }

  async #listen(server: Server): Promise<void> {
    this.#server = server
    server.on('connection', (socket) => this.sockets.push(socket))
    this.#listening = await listen(this.app, server, { port: 0, host: '127.0.0.1', linger: 0 })
  }
}
