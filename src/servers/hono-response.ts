/**
 * The Fetch standard's `Response`: whether its body is whole, and the one that says what failed.
 */
import { report } from '../core/app.ts'
import { isObject, primaryError } from '../core/dispose.ts'
import type { App } from '../core/types.ts'
import { isClosed, statusOf, textOf } from './failure.ts'
import { bodyOf, open, type Source } from './source.ts'

/** What an app of Hono gives. */
export type Fetched = Response | Promise<Response>

/** A response, and what its body yields while it is still being made. */
interface Looked {
  readonly response: Response
  readonly source: Source | undefined
}

/** A response of `@hono/node-server`, with what it sends without making a real `Response`: status, body and headers. */
type Lightweight = Response & { readonly [key: symbol]: readonly unknown[] | undefined }

let cacheKey = Symbol('not found yet')

/**
 * Whether all bytes are known; `undefined` where only reading can tell. Asking a response of `@hono/node-server` for its
 * `body` would cost three times what the whole request costs, so that is looked for where it is kept, if it is there.
 */
export function isWhole(response: Response): boolean | undefined {
  const body = cachedBody(response)
  if (body === undefined) return response.body === null ? true : undefined
  return typeof body === 'string' || !isObject(body) || !('getReader' in body)
}

export function isEmpty(response: Response): boolean {
  const body = cachedBody(response)
  return body === undefined ? response.body === null : body === null
}

/** Its body, also where a real `Response` of that status could have none. */
export function streamOf(response: Response): unknown {
  return cachedBody(response) ?? response.body
}

function cachedBody(response: Response): unknown {
  // Whatever is kept there is looked at before it is believed.
  const lightweight = response as Lightweight
  if (!(cacheKey in lightweight)) {
    const found = Object.getOwnPropertySymbols(response).find((key) => key.description === 'cache')
    if (found === undefined) return undefined
    cacheKey = found
  }
  const cached = lightweight[cacheKey]
  return Array.isArray(cached) ? cached[1] : undefined
}

/** Read what is there: a body that has ended by then is whole. Rejects with what reading fails with. */
export async function look(
  response: Response,
  source: Source | undefined = bodyOf(response),
): Promise<Looked> {
  if (source === undefined) return { response, source: undefined }
  const opened = await open(source)
  if (!opened.whole) return { response, source: opened.source }
  return { response: new Response(opened.body, response), source: undefined }
}

/** `response` with the pieces of `source` for a body. */
export function streaming(response: Response, source: AsyncIterable<unknown>): Response {
  // The constructor looks at what it is given.
  return new Response(ReadableStream.from(source) as ReadableStream<Uint8Array>, response)
}

/** What the client is told of `error`; the app is told what the client is not. */
export function refusal(app: App, error: unknown): Response {
  const primary = primaryError(error)
  const closed = isClosed(error)
  const status = statusOf(primary) ?? (closed ? 503 : 500)
  const toldInFull = status < 500 && error === primary
  if (!toldInFull && !closed) report(app, error)
  return new Response(textOf(status, primary), { status })
}

export function refused(status: number): Response {
  return new Response(textOf(status, undefined), { status })
}
