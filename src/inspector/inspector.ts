/**
 * The live page of an app as a request listener: it answers below its path and leaves everything else alone. Nothing
 * here mounts, listens or prints by itself.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { keepHistory } from './history.ts'
import { checkApp, checkOptions, expected, flag, type Rule } from '../core/options.ts'
import type { App } from '../core/types.ts'
import { answer, redirect, refuse } from './answer.ts'
import { assetOf } from './assets.ts'
import { InspectorInProductionError } from './errors.ts'
import { Feed, mostClients } from './feed.ts'
import { hostOf, refusalOf } from './gate.ts'
import { cookieName, Pass } from './pass.ts'
import { pictureOf } from './picture-of.ts'

/** Where the inspector is, and to whom it answers. */
export interface InspectorOptions {
  /** Where the page is. Default `/__unwind`. */
  path?: string
  /** Also where `NODE_ENV` is `production`. Default `false`. */
  allowProduction?: boolean
  /**
   * Further host names, with or without a port, under which it may be asked for. Default: `localhost`, `127.0.0.1` and
   * `[::1]` alone, which always may.
   */
  hosts?: readonly string[]
}

/** Disposing ends the streams of whoever looks, and answers nobody any more. */
export interface Inspector extends AsyncDisposable {
  /** Answers a request below its path and returns `true`; returns `false` for any other, and does nothing. */
  readonly handler: (request: IncomingMessage, response: ServerResponse) => boolean
  /**
   * The address of the page with a token in it, to be printed once. The token is good for one visit, which gets a cookie
   * for it; every call makes another.
   * @param base the server's own URL, such as `http://127.0.0.1:3000`
   * @throws {TypeError} if `base` is no http or https URL
   */
  url(base: string): string
}

const rules: Readonly<Record<string, Rule>> = {
  path: {
    expected: 'a path like `/__unwind`, of letters, digits, `-`, `_`, `.`, `~`, `@` and `/`',
    accepts: (path) => typeof path === 'string' && /^(?:\/|(?:\/[\w~@-][\w.~@-]*)+\/?)$/.test(path),
  },
  allowProduction: flag,
  hosts: {
    expected: 'an array of host names like `dev.example`, with or without a port',
    accepts: (hosts) => Array.isArray(hosts) && hosts.every(isHost),
  },
}

/**
 * The live page: what is open, held, waited for and leaked, as it changes; for people at this machine. It answers to
 * loopback alone, under a known host name, to whoever has opened `url()`; it is only read, and runs under a strict
 * content security policy. Pictures are made once a second, while somebody looks; what closed last is remembered from now
 * on, so that it is there when they come.
 *
 * @example
 * ```ts
 * const look = app.use(inspector(app)) // until the app closes
 * const server = createServer((request, response) => {
 *   if (!look.handler(request, response)) answer(request, response)
 * })
 * console.log(look.url('http://127.0.0.1:3000'))
 * ```
 * @throws {TypeError} for an app that is none, and for unknown or wrong options
 * @throws `ERR_INSPECTOR_IN_PRODUCTION` where `NODE_ENV` is `production`, unless `allowProduction` is set
 */
export function inspector(app: App, options?: InspectorOptions): Inspector {
  checkApp('inspector()', app)
  checkOptions('inspector()', options, rules)
  const { path = '/__unwind', allowProduction = false, hosts = [] } = options ?? {}
  if (process.env['NODE_ENV'] === 'production' && !allowProduction) {
    throw new InspectorInProductionError()
  }
  const names = hosts.map((host) => host.toLowerCase())
  return new PageOf(app, path.replace(/\/$/, ''), names)
}

class PageOf implements Inspector {
  readonly #app: App
  readonly #path: string
  readonly #hosts: readonly string[]
  readonly #pass = new Pass()
  readonly #feed: Feed
  /** What closes before somebody looks is what they come to see. */
  readonly #stopLooking: () => void = keepHistory()
  readonly #onDraining = (): void => this.#feed.end()
  #disposed = false

  /** @param path without a slash at its end, so `` for the root */
  constructor(app: App, path: string, hosts: readonly string[]) {
    this.#app = app
    this.#path = path
    this.#hosts = hosts
    this.#feed = new Feed(() => JSON.stringify(pictureOf(app)))
    // Who looks must not keep a server from closing.
    app.draining.addEventListener('abort', this.#onDraining)
  }

  readonly handler = (request: IncomingMessage, response: ServerResponse): boolean => {
    const [path = '', query = ''] = splitAt(urlOf(request), '?')
    if (this.#disposed || (path !== this.#path && !path.startsWith(`${this.#path}/`))) return false
    const refusal = refusalOf(request, this.#hosts)
    if (refusal !== undefined) refuse(response, refusal)
    else this.#admit(request, response, path.slice(this.#path.length), query)
    return true
  }

  url(base: string): string {
    if (typeof base !== 'string' || !/^https?:$/.test(URL.parse(base)?.protocol ?? '')) {
      throw expected(
        'the base given to url()',
        "the URL of a server, 'http://127.0.0.1:3000'",
        base,
      )
    }
    return new URL(`${this.#path}/?token=${this.#pass.issue()}`, base).href
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true
    this.#app.draining.removeEventListener('abort', this.#onDraining)
    this.#feed.end()
    this.#stopLooking()
    return Promise.resolve()
  }

  /** Whoever brings a token gets a cookie for it, and whoever brings the cookie an answer. */
  #admit(request: IncomingMessage, response: ServerResponse, rest: string, query: string): void {
    const name = cookieName(hostOf(request.headers))
    const token = new URLSearchParams(query).get('token')
    const redeemed = token !== null && this.#pass.redeem(token)
    if (this.#pass.recognises(request.headers.cookie, name)) {
      if (token !== null || rest === '') redirect(response, `${this.#path}/`)
      else this.#answer(request, response, rest.slice(1))
    } else if (redeemed) {
      const secure = 'encrypted' in request.socket
      const cookie = this.#pass.cookie(name, this.#path || '/', secure)
      redirect(response, `${this.#path}/`, cookie)
    } else {
      refuse(response, { status: 401, text: stranger })
    }
  }

  #answer(request: IncomingMessage, response: ServerResponse, name: string): void {
    if (name === 'events') this.#follow(response)
    else if (name === 'snapshot.json' || (name === '' && wantsJson(request))) {
      const body = JSON.stringify(pictureOf(this.#app), undefined, 2)
      answer(response, { type: 'application/json; charset=utf-8', body: `${body}\n` })
    } else answerWithAsset(response, name)
  }

  #follow(response: ServerResponse): void {
    if (this.#app.draining.aborted) {
      refuse(response, { status: 503, text: 'The app is shutting down.' })
    } else if (this.#feed.full) {
      refuse(response, { status: 503, text: `${mostClients} pages are open already. Close one.` })
    } else {
      this.#feed.add(response)
    }
  }
}

function answerWithAsset(response: ServerResponse, name: string): void {
  try {
    const asset = assetOf(name)
    if (asset !== undefined) answer(response, asset)
    else refuse(response, { status: 404, text: 'The inspector has no such page.' })
  } catch (error) {
    // Thrown, it would end the program that somebody only wants to look into.
    refuse(response, { status: 500, text: String(error) })
  }
}

const stranger =
  'Open the URL that the program printed: it lets one browser in. For another, call url() again.'

function wantsJson({ headers: { accept = '' } }: IncomingMessage): boolean {
  return accept.includes('application/json') && !accept.includes('text/html')
}

/** What was asked for: where it is mounted, Express takes the prefix off `url`. */
function urlOf({
  url = '',
  originalUrl = url,
}: IncomingMessage & { originalUrl?: string }): string {
  return originalUrl
}

function splitAt(text: string, mark: string): string[] {
  const at = text.indexOf(mark)
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)]
}

function isHost(host: unknown): boolean {
  return typeof host === 'string' && /^(?:[\w.-]+|\[[\da-f:.]+\])(?::\d{1,5})?$/i.test(host)
}
