/**
 * Listen, and be graceful: the server as a disposable.
 */
import { once } from 'node:events'
import { ShutdownError } from '../core/errors/errors.ts'
import { checkApp, checkOptions, expected, milliseconds, text, type Rule } from '../core/options.ts'
import type { App } from '../core/types.ts'
import type { AnyServer, Connections } from './connections.ts'
import { isClosed } from './failure.ts'
import { attach, checkOpen, closed, deliveryGrace, tooLate, type Attachment } from './graceful.ts'
import { servedOf } from './hearing.ts'

/** Where to listen, and how long to wait for the silent when the server closes. */
export interface ListenOptions {
  /** `0`: any free one. */
  port: number
  /** Default: every address of the machine. */
  host?: string
  /** Milliseconds idle connections may stay when the server closes; default 500. */
  linger?: number
}

/** A server that listens. Disposing closes it. */
export interface Listening extends AsyncDisposable {
  /** The one that was given, or the one that was free. */
  readonly port: number
  /** Without a trailing slash. */
  readonly url: string
}

const rules: Readonly<Record<string, Rule>> = {
  port: {
    expected: 'a port number from 0 to 65535',
    accepts: (value) => Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 65_535,
  },
  host: text,
  linger: milliseconds,
}

/** Milliseconds for handlers to answer when the server is disposed, and then to heed their abort. */
const grace = 10_000
const abortGrace = 1_000

/**
 * Listen, and be graceful. Resolves once the server listens; rejects with the system's error (`EADDRINUSE`, `EACCES`)
 * where it cannot. Disposing stops accepting, waits 10 s for requests in progress before it aborts their scopes with
 * `ERR_SHUTDOWN`, and delivers what was answered, for another 10 s. The app's shutdown does it by itself:
 * in the module that starts a service, declare no server with `await using`, which ends with the module's last line.
 * Give it the app that the handlers were given, or one that closes that: the server closes with this one alone.
 *
 * @example
 * ```ts
 * const server = await listen(app, http.createServer(handle(app, handler)), { port: 3000 })
 * console.log(`Listening on ${server.url}`)
 * ```
 * @throws {TypeError} for unknown or wrong options
 * @throws `ERR_SCOPE_CLOSED` once the app has closed, also where that was before the server listens, and not before it has
 * given everything back
 */
export async function listen(
  app: App,
  server: AnyServer,
  options: ListenOptions,
): Promise<Listening> {
  checkApp('listen()', app)
  checkOptions('listen()', options, rules)
  // Node.js would take any port that is free.
  if (options?.port === undefined)
    throw expected('the options of listen()', 'there, with a `port`', options)
  try {
    return await begin(app, server, options)
  } catch (error) {
    // It gives everything back, and a program often ends with the error of its start.
    if (isClosed(error)) await app.close()
    throw error
  }
}

async function begin(
  app: App,
  server: AnyServer,
  { port, host, linger = 500 }: ListenOptions,
): Promise<Listening> {
  const attachment = attach('listen()', app, server, linger)
  try {
    server.listen(host === undefined ? { port } : { port, host })
    await listening(server)
    checkOpen('listen()', app)
    if (!server.listening) throw app.state === 'open' ? closedMeanwhile() : tooLate('listen()', app)
  } catch (error) {
    if (server.listening && isClosed(error)) server.close()
    await attachment[Symbol.asyncDispose]()
    throw error
  }
  let closing: Promise<void> | undefined
  return {
    ...addressOf(server, host),
    [Symbol.asyncDispose]: () => (closing ??= close(server, attachment)),
  }
}

/** Resolves when it listens, or was closed while its host was looked up; rejects with what it emits as 'error'. */
async function listening(server: AnyServer): Promise<void> {
  const over = new AbortController()
  const events = ['listening', 'close'].map((event) => once(server, event, over))
  try {
    await Promise.race(events)
  } finally {
    over.abort()
  }
}

function closedMeanwhile(): Error {
  return new Error(
    'listen(): the server was closed before it listened. Close it once listen() has settled.',
  )
}

async function close(server: AnyServer, attachment: Attachment): Promise<void> {
  const { connections } = attachment
  const timers = [
    setTimeout(() => abortUnanswered(connections), grace),
    setTimeout(() => connections.destroyUnfinished(), grace + abortGrace),
    setTimeout(() => connections.destroyAll(), grace + abortGrace + deliveryGrace),
  ]
  try {
    await closed(server, connections)
  } finally {
    for (const timer of timers) clearTimeout(timer)
    await attachment[Symbol.asyncDispose]()
  }
}

function abortUnanswered(connections: Connections): void {
  const reason = new ShutdownError(
    `The server closes, and the answer took longer than ${grace} ms.`,
  )
  for (const answer of connections.unanswered()) servedOf(answer)?.scope.abort(reason)
}

function addressOf(server: AnyServer, host: string | undefined): { port: number; url: string } {
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const protocol = 'setSecureContext' in server ? 'https' : 'http'
  return { port, url: `${protocol}://${reachable(host)}:${port}` }
}

/** An address to connect to, for one to listen on. */
function reachable(host: string | undefined): string {
  if (host === undefined || host === '::') return 'localhost'
  if (host === '0.0.0.0') return '127.0.0.1'
  return host.includes(':') ? `[${host}]` : host
}
