/**
 * A served WebSocketServer whose every scope is watched. After each test: as many scopes closed as were opened, each
 * disposer ran once, in reverse order, in the context of its scope, and nothing is live.
 */
import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import type { TestContext } from 'node:test'
import { createApp, tryCurrentScope, type App, type Exit, type Scope } from 'unwind'
import { connect, serveSockets, type Socket, type SocketOptions } from 'unwind/ws'
import type { ServerOptions, WebSocketServer } from 'ws'

import { within } from '../../core/support/promises.ts'
import { openServer, urlOf } from './peers.ts'

export type SocketHandler = (socket: Socket, scope: Scope, request: IncomingMessage) => unknown

/** One scope that a handler ran in. */
export interface Watched {
  readonly scope: Scope
  /** How it ended, as its last disposer sees it. */
  readonly exit: Promise<Exit>
}

export class Service implements AsyncDisposable {
  readonly app: App
  readonly server: WebSocketServer
  readonly sockets: AsyncDisposable
  readonly watched: Watched[] = []
  /** What reached the `onError` of the app. */
  readonly reported: unknown[] = []
  readonly #released: string[][] = []
  readonly #strangers: string[] = []

  constructor(server: WebSocketServer, handler: SocketHandler, options?: SocketOptions) {
    this.app = createApp({ name: 'site', onError: (error) => this.reported.push(error) })
    this.server = server
    const watching: SocketHandler = (socket, scope, request) => {
      this.#watch(scope)
      return handler(socket, scope, request)
    }
    this.sockets = serveSockets(this.app, server, watching, options)
  }

  static async open(
    t: TestContext,
    handler: SocketHandler,
    options: SocketOptions & { server?: ServerOptions } = {},
  ): Promise<Service> {
    const { server, ...others } = options
    return new Service(await openServer(t, server), handler, others)
  }

  connect(path?: string): Promise<Socket & AsyncDisposable> {
    return connect(urlOf(this.server, path))
  }

  /** How the scopes so far ended, once they have. */
  async exits(): Promise<Exit[]> {
    const exits = await within(Promise.all(this.watched.map(({ exit }) => exit)))
    await within(Promise.all(this.watched.map(({ scope }) => scope.close())))
    return exits
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await within(Promise.resolve(this.sockets[Symbol.asyncDispose]()))
    await this.exits()
    for (const [i, { scope }] of this.watched.entries()) {
      assert.deepEqual(this.#released[i], ['third', 'second', 'first'], scope.name)
      assert.equal(scope.state, 'closed')
    }
    assert.deepEqual(this.#strangers, [], 'disposers ran in the context of another scope')
    assert.deepEqual(this.app.inspect().children, [], 'scopes are live')
    await this.app.close()
  }

  #watch(scope: Scope): void {
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
    this.#released.push(released)
    this.watched.push({ scope, exit: ended.promise })
  }
}
