/**
 * A request of Hono without a Node.js response: in other runtimes, and in `app.request()` of a test. Its end is that of
 * the response, or of the body of that.
 */
import { runServing } from '../core/app.ts'
import type { Scope } from '../core/types.ts'
import { isCompleted, type Adapter } from './adapter.ts'
import { answeredWith, disconnected } from './ends.ts'
import { look, piecesOf, refused, streaming } from './hono-response.ts'
import { Timing } from './timing.ts'

type Fetched = Response | Promise<Response>

class Alone {
  readonly scope: Scope
  seen = false

  constructor(scope: Scope) {
    this.scope = scope
  }

  see(error: unknown): void {
    this.seen = true
    if (error !== undefined) this.scope.fail(error)
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
  fetch: () => Fetched,
): Promise<Response> {
  const options = { ...adapter.scope, name: `${request.method} ${new URL(request.url).pathname}` }
  let timing: Timing | undefined
  return new Promise((resolve, reject) => {
    const body = async (scope: Scope): Promise<Response> => {
      const alone = new Alone(scope)
      running.set(request, alone)
      follow(request.signal, scope)
      if (adapter.serverTiming) timing = new Timing(scope)
      if (adapter.scope.timeout !== undefined) {
        // At the deadline Hono's answer is not waited for any more.
        scope.signal.addEventListener('abort', () => resolve(refused(503)), { once: true })
      }
      return answerIn(adapter, alone, request, await fetch())
    }
    const answered = runServing(adapter.app, options, body)
    answered.then((response) => resolve(timed(response, timing)), reject)
  })
}

function timed(response: Response, timing: Timing | undefined): Response {
  const header = timing?.header
  if (header !== undefined) response.headers.append('Server-Timing', header)
  return response
}

/** The client of another runtime leaves by an abort of its request. */
function follow(signal: AbortSignal, scope: Scope): void {
  const leave = (): void => scope.abort(disconnected(scope))
  if (signal.aborted) {
    leave()
    return
  }
  signal.addEventListener('abort', leave)
  scope.defer(() => signal.removeEventListener('abort', leave))
}

async function answerIn(
  adapter: Adapter,
  alone: Alone,
  { method }: Request,
  fetched: Response,
): Promise<Response> {
  const { scope, seen } = alone
  const { response, source } = await look(fetched)
  const { status } = response
  const doubted = !seen && status >= adapter.doubtedFrom && !isCompleted(scope)
  if (doubted) scope.fail(answeredWith(scope, status))
  if (source === undefined) return response
  if (method === 'HEAD') {
    // Hono drops the body, and would not end it.
    await source.cancel(undefined)
    return new Response(null, response)
  }
  const pieces = piecesOf(source, ignore)
  return streaming(response, doubted ? pieces : scope.stream(pieces))
}

function ignore(): void {}
