/**
 * A server with everything that its requests hold under observation. After each test: as many scopes closed as were
 * opened, each disposer ran once, in reverse order, in the context of its scope, and nothing is live.
 */
import assert from 'node:assert/strict'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

import { createApp, currentScope, tryCurrentScope, type App, type Exit, type Scope } from 'unwind'
import { listen } from 'unwind/http'

/** One scope that a handler ran in. */
export interface Watched {
  readonly scope: Scope
  /** How the scope ended, as its last disposer sees it. */
  readonly exit: Promise<Exit>
  readonly released: string[]
}

export class Site implements AsyncDisposable {
  readonly app: App
  readonly server: Server
  readonly watched: Watched[] = []
  /** What reached the `onError` of the app. */
  readonly reported: unknown[] = []
  readonly #strangers: string[] = []
  #listening: AsyncDisposable | undefined

  constructor(make: (site: Site) => RequestListener, server: Server = createServer()) {
    this.app = createApp({ name: 'site', onError: (error) => this.reported.push(error) })
    this.server = server
    server.on('request', make(this))
  }

  static async open(make: (site: Site) => RequestListener, server?: Server): Promise<Site> {
    const site = new Site(make, server)
    site.#listening = await listen(site.app, site.server, { port: 0, host: '127.0.0.1', linger: 0 })
    return site
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
  }
}
