/**
 * What a handler returned, as an answer: encoded before the scope closes, so that a value that cannot be encoded is a
 * failure of the handler; sent after it closed.
 */
import { ServerResponse as NodeResponse, type ServerResponse } from 'node:http'
import { isObject } from '../core/dispose.ts'
import { expected } from '../core/options.ts'
import { endWith, isEmptyStatus } from './body.ts'
import { copyHead, type ResponseHead } from './response-head.ts'
import type { Served } from './served.ts'
import { bytesOf, sourceOf, type Source } from './source.ts'

/** A body of which all bytes are known. */
export type Whole = string | Uint8Array | undefined

export interface Reply {
  /** The content type, unless the handler has set one. */
  readonly type: string | undefined
  readonly body: Whole | Source
  /** Of a `Response`. */
  readonly head: ResponseLike | undefined
}

/** The part of a `Response` that is used, whichever implementation it is of. */
interface ResponseLike extends ResponseHead {
  readonly body: ReadableStream<unknown> | null
}

/**
 * Whether the handler answers by itself: it returned nothing, or the response (which `response.end()` returns), or it
 * has already ended the answer.
 */
export function isNoReply(value: unknown, response: ServerResponse): boolean {
  if (value === undefined || value === response || response.writableEnded) return true
  // What `response.write()` returns.
  return typeof value === 'boolean' && response.headersSent
}

/** @throws {TypeError} for what cannot be sent */
export function replyOf(value: unknown): Reply {
  if (typeof value === 'string')
    return { type: 'text/plain; charset=utf-8', body: value, head: undefined }
  if (!isObject(value)) return json(value)
  if (isResponse(value)) return ofResponse(value)
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return binary(bytesOf(value))
  const source = sourceOf(value)
  return source === undefined ? json(value) : binary(source)
}

/** End the body of an answer that nobody will get. */
export async function discard(value: unknown): Promise<void> {
  if (!isObject(value)) return
  const body = isResponse(value) ? value.body : value
  // What somebody else reads is theirs.
  if (body === null || ('locked' in body && body.locked === true)) return
  await sourceOf(body)?.cancel(undefined)
}

/** Set status and headers. Nothing is sent yet. */
export function writeHead({ head, type }: Reply, response: ServerResponse): void {
  if (response.headersSent) return
  if (head !== undefined) copyHead(head, response)
  if (type !== undefined && !response.hasHeader('content-type')) {
    response.setHeader('Content-Type', type)
  }
}

/** Send an answer of which all bytes are known, with the head of `reply` unless that is sent. */
export function send(reply: Reply, body: Whole, response: ServerResponse): void {
  if (response.destroyed) return
  writeHead(reply, response)
  if (body === undefined) {
    response.end()
    return
  }
  if (!tellsLength(response) && !response.headersSent && !isEmptyStatus(response.statusCode)) {
    response.setHeader('Content-Length', Buffer.byteLength(body))
  }
  endWith(response, body)
}

/** Node.js tells it by itself, without a header to check: not for HEAD, not in HTTP/2, not where somebody has set one. */
function tellsLength(response: ServerResponse): boolean {
  if (response.constructor !== NodeResponse) return false
  return response.req.method !== 'HEAD' && !response.hasHeader('content-length')
}

/** Whether the protocol allows this answer no body. A `Response` with a body has a status for it. */
export function hasNoBody({ request, response }: Served, { head }: Reply): boolean {
  if (request.method === 'HEAD') return true
  return isEmptyStatus(response.statusCode) && (head === undefined || response.headersSent)
}

const octets = 'application/octet-stream'

function binary(body: Uint8Array | string | Source): Reply {
  return { type: octets, body, head: undefined }
}

const plain = '[object Object]'

/** Besides streams, bytes and text: what the Fetch standard takes for a body, and knows the content type of. */
const ofFetch = new Set(
  ['Blob', 'File', 'FormData', 'URLSearchParams'].map((it) => `[object ${it}]`),
)

/** @throws {TypeError} for what has no form in JSON */
export function inJson(value: unknown): string {
  // The type says string, but there are values without a form in JSON.
  const body = JSON.stringify(value) as string | undefined
  if (body === undefined) throw unsendable(value)
  return body
}

function json(value: unknown): Reply {
  const body = inJson(value)
  const tag = body === '{}' ? Object.prototype.toString.call(value) : plain
  if (tag === plain) return { type: 'application/json', body, head: undefined }
  // JSON shows nothing of what is in it.
  if (!ofFetch.has(tag)) throw unsendable(value)
  // Just checked.
  return ofBody(value as Blob | FormData | URLSearchParams)
}

function ofBody(value: Blob | FormData | URLSearchParams): Reply {
  const { headers, body } = new Response(value)
  const type = headers.get('content-type') ?? octets
  return { type, body: body === null ? undefined : sourceOf(body), head: undefined }
}

function unsendable(value: unknown): TypeError {
  return expected(
    'what the handler returned',
    'a string, bytes, a value with a form in JSON, a stream, an async iterable, a body of `fetch` or a Response',
    value,
  )
}

function ofResponse(head: ResponseLike): Reply {
  if (head.status < 200 || head.status > 599) {
    throw expected('the status of the returned Response', 'from 200 to 599', head.status)
  }
  const body = head.body === null ? undefined : sourceOf(head.body)
  return { type: undefined, body, head }
}

function isResponse(value: object): value is ResponseLike {
  // Of any object: what it has is found out here.
  const { status, headers } = value as { status?: unknown; headers?: unknown }
  if (typeof status !== 'number' || !('body' in value) || !isObject(headers)) return false
  return 'get' in headers && 'forEach' in headers && typeof headers.forEach === 'function'
}
