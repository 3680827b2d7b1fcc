/**
 * A request of Hono on `@hono/node-server`, whose end is that of the Node.js response.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { isObject, isThenable } from '../core/dispose.ts'
import { enter, type Adapter } from './adapter.ts'
import { isEmptyStatus } from './body.ts'
import { isSeenBy, isUpgraded, throwIfOvertaken } from './ends.ts'
import {
  isEmpty,
  isWhole,
  look,
  refused,
  streaming,
  streamOf,
  type Fetched,
} from './hono-response.ts'
import { discard } from './reply.ts'
import { hear } from './hearing.ts'
import { handOver, open } from './serve.ts'
import { closeForAnswer, failForAnswer } from './for-answer.ts'
import { streams } from './last-byte.ts'
import type { Served } from './served.ts'
import { bodyOf, piecesOf, type Source } from './source.ts'

type Fetch = (served: Served) => Fetched

interface Bindings {
  readonly incoming: IncomingMessage
  readonly outgoing: ServerResponse
}

/** What `@hono/node-server` passes as the environment. */
export function bindingsOf(env: unknown): Bindings | undefined {
  if (!isObject(env) || !('incoming' in env)) return undefined
  // Both together are theirs. Of an upgrade there is no response.
  return 'outgoing' in env && isObject(env.outgoing) ? (env as Bindings) : undefined
}

/** The same of an upgrade. */
export function upgradeOf(env: unknown): IncomingMessage | undefined {
  if (!isObject(env) || !('incoming' in env) || !isObject(env.incoming)) return undefined
  // It is one of Node.js where it says so.
  const incoming = env.incoming as IncomingMessage
  return isUpgraded(incoming) ? incoming : undefined
}

/** Fails with what should be answered instead. What another adapter has opened is answered, and ends, with this. */
export function runOn(
  adapter: Adapter,
  { incoming, outgoing }: Bindings,
  around: Served | undefined,
  fetch: Fetch,
): Fetched {
  if (around !== undefined) handOver(around, adapter)
  const served = around ?? open(adapter, incoming, outgoing)
  served.delegated = true
  const timed = served.scope.deadline !== undefined
  const fetched = timed ? runInTime(served, fetch) : run(served, fetch)
  if (around === undefined && !served.over) hear(served)
  return fetched
}

function run(served: Served, fetch: Fetch): Fetched {
  const { adapter } = served
  try {
    const fetched = enter(served.scope, call, fetch, served)
    if (!isThenable(fetched)) return answered(served, fetched, adapter)
    return fetched.then(
      (response) => answered(served, response, adapter),
      (error: unknown) => failed(served, error),
    )
  } catch (error) {
    return failed(served, error)
  }
}

/** At the deadline Hono's answer is not waited for any more. */
function runInTime(served: Served, fetch: Fetch): Promise<Response> {
  return new Promise((resolve, reject) => {
    served.refuse = (status, text) => resolve(new Response(text, { status }))
    Promise.resolve(run(served, fetch)).then(resolve, reject)
  })
}

function call(fetch: Fetch, served: Served): Fetched {
  return fetch(served)
}

async function failed(served: Served, error: unknown): Promise<never> {
  throw await failForAnswer(served, error)
}

function answered(served: Served, response: Response, adapter: Adapter): Fetched {
  // What another adapter was called with ends with that.
  if (!isSeenBy(adapter, served) && isAlreadySent(served, response)) return response
  if (served.overtaken) return unwanted(served, response)
  served.status = response.status
  const whole = isWhole(response)
  if (whole === true) return held(served, response)
  // Hono drops the body of an answer that has none, and would not end it; nor can another one be made of that.
  if (served.request.method === 'HEAD' || isEmptyStatus(response.status)) {
    return withoutBody(served, response)
  }
  // Of the `Response` that an HTTPException made, Hono makes another, whose body is a stream.
  const looked = whole === undefined || served.failure !== undefined
  return looked ? answeredAfterLook(served, response) : streamed(served, response)
}

/** The client has left, or was answered in the place of the handler. */
async function unwanted(served: Served, response: Response): Promise<Response> {
  try {
    await discard(response)
    throwIfOvertaken(served)
  } catch (error) {
    return await failed(served, error)
  }
  return refused(503)
}

async function answeredAfterLook(served: Served, response: Response): Promise<Response> {
  try {
    const looked = await look(response, bodyWithin(served, response))
    if (looked.source === undefined) return await held(served, looked.response)
    // Meanwhile.
    if (served.overtaken) await looked.source.cancel(undefined)
    throwIfOvertaken(served)
    return await streamed(served, response, looked.source)
  } catch (error) {
    return await failed(served, error)
  }
}

/** What the body yields, in the scope: who reads it is outside of that. */
function bodyWithin({ scope }: Served, response: Response): Source | undefined {
  const source = bodyOf(response)
  return source && { next: scope.bind(source.next), cancel: scope.bind(source.cancel) }
}

/** What the body is made from has ended before anything is released. */
function streamed(
  served: Served,
  response: Response,
  source = bodyWithin(served, response),
): Fetched {
  if (source === undefined) return released(served, response)
  if (served.adapter.closeAt === 'answer') streams(served)
  return released(served, streaming(response, piecesOf(source, served.sources.begin())))
}

async function withoutBody(served: Served, response: Response): Promise<Response> {
  try {
    await discard(streamOf(response))
    const { status, headers } = response
    return await held(served, new Response(null, { status, headers }))
  } catch (error) {
    return await failed(served, error)
  }
}

/** The scope closes, then the response is sent. */
function held(served: Served, response: Response): Fetched {
  if (isAlreadySent(served, response)) {
    served.completes = false
    served.status = undefined
  } else if (served.adapter.closeAt === 'answer') return closed(served, response)
  return released(served, response)
}

function closed(served: Served, response: Response): Fetched {
  const closing = closeForAnswer(served)
  return closing === undefined ? response : closing.then(() => response)
}

/** Somebody wrote to the response of Node.js, and says so by an empty one with a header. */
function isAlreadySent(served: Served, response: Response): boolean {
  if (served.response.headersSent) return true
  return isEmpty(response) && response.headers.has('x-hono-already-sent')
}

/** The response is sent, and the scope closes when it has ended. */
function released(served: Served, response: Response): Response {
  served.settle('settled')
  return response
}
