/**
 * A request of Hono without a Node.js response: in other runtimes, and in `app.request()` of a test. Its end is that of
 * the response, or of the body of that; of an upgrade, that of its socket.
 */
import type { IncomingMessage } from 'node:http'
import { finished } from 'node:stream'
import { isInterrupted, report, runServing } from '../core/app.ts'
import { whenAborted } from '../core/deadline.ts'
import { primaryError } from '../core/dispose.ts'
import type { Scope } from '../core/types.ts'
import { enter, type Adapter } from './adapter.ts'
import { answeredWith, disconnected, isDoubted } from './ends.ts'
import { look, refused, streaming, type Fetched } from './hono-response.ts'
import { piecesOf } from './source.ts'
import { Timing } from './timing.ts'

export class Alone {
  readonly adapter: Adapter
  readonly scope: Scope
  seen = false
  /** Its deadline was answered in the place of Hono. */
  overtaken = false
  /** Its answer is still being made when it is given away. */
  streams = false
  readonly timing: Timing | undefined

  constructor(adapter: Adapter, scope: Scope) {
    this.adapter = adapter
    this.scope = scope
    this.timing = adapter.serverTiming ? new Timing(scope) : undefined
  }

  see(error: unknown): void {
    this.seen = true
    // Of what was answered already, a failure is no news.
    if (error !== undefined && !this.overtaken) this.scope.fail(error)
  }
}

const running = new WeakMap<Request, Alone>()

export function aloneOf(request: Request): Alone | undefined {
  return running.get(request)
}

/** Rejects with what should be answered instead. */
export function runAlone(
  adapter: Adapter,
  request: Request,
  fetch: (alone: Alone) => Fetched,
): Promise<Response> {
  const name = `${request.method} ${new URL(request.url).pathname}`
  let alone: Alone | undefined
  return new Promise((resolve, reject) => {
    const body = async (scope: Scope): Promise<Response> => {
      alone = new Alone(adapter, scope)
      running.set(request, alone)
      follow(request.signal, scope)
      if (adapter.scope.timeout !== undefined) refuseInTime(alone, resolve)
      try {
        return await answerIn(alone, request, await fetch(alone))
      } finally {
        // Some send the same request again.
        running.delete(request)
      }
    }
    const failed = (error: unknown): void => {
      reject(error)
      // Then nobody waits for it, who would see what failed on the way out.
      if (alone?.overtaken === true && error !== primaryError(error)) report(alone.scope, error)
    }
    const answered = runServing(adapter.app, adapter.scope, name, body).then(async (response) => {
      // Nobody will read what was bound to it.
      if (alone?.streams === false) await alone.scope.close()
      return timed(response, alone?.timing)
    })
    answered.then(resolve, failed)
  })
}

/**
 * An upgrade: what comes of it has the scope until its socket closes. Where Hono answers it or fails, whoever asked closes
 * the socket.
 */
export function runUpgraded(
  adapter: Adapter,
  incoming: IncomingMessage,
  request: Request,
  fetch: (alone: Alone) => Fetched,
): Fetched {
  const scope = adapter.open(adapter.name(incoming))
  const alone = new Alone(adapter, scope)
  running.set(request, alone)
  const { socket } = incoming
  // Its deadline passed, or the app shuts down.
  const ignoreAbort = whenAborted(scope.signal, () => {
    if (isInterrupted(scope)) socket.destroy()
  })
  // Of one that is ended and not read, `close` does not tell.
  finished(socket, { readable: false }, () => {
    ignoreAbort()
    scope.abort(disconnected(scope))
    scope.close().catch((error: unknown) => report(scope, error))
  })
  return enter(scope, fetch, alone, undefined)
}

/** At the deadline Hono's answer is not waited for any more. */
function refuseInTime(alone: Alone, resolve: (response: Response) => void): void {
  const refuse = (): void => {
    if (!isInterrupted(alone.scope)) return
    alone.overtaken = true
    resolve(refused(503))
  }
  whenAborted(alone.scope.signal, refuse)
}

function timed(response: Response, timing: Timing | undefined): Response {
  const header = timing?.header
  if (header === undefined) return response
  // The headers of what `fetch` or `Response.redirect()` gave cannot be changed.
  const own = new Response(response.body, response)
  own.headers.append('Server-Timing', header)
  return own
}

/** The client of another runtime leaves by an abort of its request. */
function follow(signal: AbortSignal, scope: Scope): void {
  scope.defer(whenAborted(signal, () => scope.abort(disconnected(scope))))
}

async function answerIn(alone: Alone, { method }: Request, fetched: Response): Promise<Response> {
  const { scope } = alone
  const { response, source } = await look(fetched)
  if (alone.overtaken) {
    await source?.cancel(undefined)
    throw scope.signal.reason
  }
  const { status } = response
  const doubted = isDoubted(alone, status)
  if (doubted) scope.fail(answeredWith(scope, status))
  if (source === undefined) return response
  if (method === 'HEAD') {
    // Hono drops the body, and would not end it.
    await source.cancel(undefined)
    return new Response(null, response)
  }
  const pieces = piecesOf(source)
  alone.streams = true
  return streaming(response, doubted ? pieces : bound(scope, pieces))
}

/** As a stream of `scope`; but `pieces` have begun, and are to be ended where nobody begins to read them. */
function bound(scope: Scope, pieces: AsyncIterable<unknown>): AsyncIterable<unknown> {
  const iterator = pieces[Symbol.asyncIterator]()
  const stream = scope.stream({ [Symbol.asyncIterator]: () => iterator })
  let read = false
  return {
    [Symbol.asyncIterator]: () => ({
      next: () => {
        read = true
        return stream.next()
      },
      return: async () => {
        try {
          if (!read) await iterator.return?.()
        } catch (error) {
          return await stream.throw(error)
        }
        return await stream.return()
      },
    }),
  }
}
