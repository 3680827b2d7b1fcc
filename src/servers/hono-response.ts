/**
 * The Fetch standard's `Response`: whether its body is whole, and the one that says what failed.
 */
import { primaryError } from '../core/dispose.ts'
import type { App } from '../core/types.ts'
import { report } from './adapter.ts'
import { isClosed, statusOf, textOf } from './failure.ts'
import { open, sourceOf, type Source } from './source.ts'

/** A response, and what its body yields while it is still being made. */
export interface Looked {
  readonly response: Response
  readonly source: Source | undefined
}

/** The part of a response of `@hono/node-server` that it sends without making a real `Response`. */
type Cached = readonly [status: number, body: unknown, headers: unknown]

let cacheKey: symbol | undefined = undefined

/**
 * Whether all bytes are known; `undefined` where only reading can tell. Asking a response of `@hono/node-server` for its
 * `body` would cost three times what the whole request costs, so that is looked for where it is kept, if it is there.
 */
export function isWhole(response: Response): boolean | undefined {
  const body = cachedBody(response)
  if (body === undefined) return response.body === null ? true : undefined
  return body === null || typeof body === 'string' || !('getReader' in Object(body))
}

function cachedBody(response: Response): unknown {
  if (cacheKey === undefined || !(cacheKey in response)) {
    cacheKey = Object.getOwnPropertySymbols(response).find(
      ({ description }) => description === 'cache',
    )
  }
  if (cacheKey === undefined) return undefined
  const cached: unknown = Reflect.get(response, cacheKey)
  // What is kept there is not ours.
  return Array.isArray(cached) ? (cached as unknown as Cached)[1] : undefined
}

/** Read what is there: a body that has ended by then is whole. Rejects with what reading fails with. */
export async function look(response: Response): Promise<Looked> {
  const source = response.body === null ? undefined : sourceOf(response.body)
  if (source === undefined) return { response, source: undefined }
  const opened = await open(source)
  if (!opened.whole) return { response, source: opened.source }
  return {
    // As all bytes of Node.js are.
    response: new Response(opened.body as Uint8Array<ArrayBuffer>, response),
    source: undefined,
  }
}

/** `response` with the pieces of `iterable` for a body. */
export function streaming(response: Response, iterable: AsyncIterable<unknown>): Response {
  // The constructor looks at what it is given.
  return new Response(ReadableStream.from(iterable) as ReadableStream<Uint8Array>, response)
}

export async function* piecesOf(source: Source): AsyncGenerator<unknown, void, undefined> {
  let ended = false
  try {
    for (;;) {
      const step = await source.next()
      if (step.done === true) break
      yield step.value
    }
    ended = true
  } finally {
    if (!ended) await source.cancel(undefined)
  }
}

/** What the client is told of `error`; the app is told what the client is not. */
export function refusal(app: App, error: unknown): Response {
  const primary = primaryError(error)
  const closed = isClosed(error)
  const status = statusOf(primary) ?? (closed ? 503 : 500)
  if (status >= 500 && !closed) report(app, error)
  return new Response(textOf(status, primary), { status })
}

export function refused(status: number): Response {
  return new Response(textOf(status, undefined), { status })
}
