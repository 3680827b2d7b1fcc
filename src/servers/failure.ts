/**
 * Where an error of a request goes: to the client while nothing was sent, and to those who operate the server where the
 * client is told less than all of it. The status is that of the primary error, so a failing release never turns a 404
 * into a 500.
 */
import { STATUS_CODES, type OutgoingHttpHeaders, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { isInterrupted, report } from '../core/app.ts'
import { isEcho, isObject, primaryError } from '../core/dispose.ts'
import { attempt, holds } from '../core/errors/attempt.ts'
import { isError } from '../core/errors/format.ts'
import type { Scope } from '../core/types.ts'
import type { Adapter, OnRequestError } from './adapter.ts'
import { endWith, isEmptyStatus } from './body.ts'
import { isEnded } from './held-end.ts'

/** `NGHTTP2_INTERNAL_ERROR`: any other code of a reset would let a cut answer look complete. */
const internalError = 2

/** What failed, and whom to tell. */
interface Failed {
  readonly adapter: Adapter
  readonly scope: Scope
  readonly response: ServerResponse
  readonly refuse?: ((status: number, text: string) => void) | undefined
  /** Because its deadline passed, or its app shuts down. */
  readonly answeredFor?: boolean
}

/**
 * Answer `error` if nothing was sent, else end the connection, so that a broken answer does not look complete. Never
 * rejects.
 * @param interrupted the request was aborted from outside before it failed, so the failure is no news
 */
export async function tell(failed: Failed, error: unknown, interrupted: boolean): Promise<void> {
  const { scope, response } = failed
  const primary = primaryError(error)
  const expected = interrupted && error === primary
  if (!isUntouched(response)) {
    if (!isEnded(response)) cut(response)
    if (!expected) report(scope, error)
    return
  }
  // Without a wait where there is nobody to wait for: who is being answered for may answer as well.
  const { onError } = failed.adapter
  if (onError !== undefined) {
    await ask(failed, onError, error)
    // By that, or meanwhile by whoever tells of another failure of this request. After the last wait.
    if (!isUntouched(response)) return
  }
  const isOver = interrupted || failed.answeredFor === true || isCutOff(scope, primary)
  const status = statusOf(primary) ?? (isOver ? 503 : 500)
  const text = textOf(status, primary)
  if (failed.refuse === undefined) refuse(response, status, text)
  else failed.refuse(status, text)
  const toldInFull = status < 500 && error === primary
  if (!expected && !toldInFull && onError === undefined) report(scope, error)
}

/** When its handler had ended, an abort from outside cut off what the scope was still waiting for. */
function isCutOff(scope: Scope, error: unknown): boolean {
  return isInterrupted(scope) && isEcho(error, scope.signal.reason)
}

/** There is no scope for this request: its app has closed, or its name could not be found. */
export function refuseUnopened(adapter: Adapter, response: ServerResponse, error: unknown): void {
  void tell({ adapter, scope: adapter.app, response }, error, isClosed(error))
}

/** Whether the app has closed, so that no request is served any more. */
export function isClosed(error: unknown): boolean {
  return holds(() => isObject(error) && 'code' in error && error.code === 'ERR_SCOPE_CLOSED')
}

/** End an answer in the middle, visibly. */
export function cut(response: ServerResponse): void {
  if (isHttp2(response)) {
    const { stream } = response
    stream.close(internalError)
    // Both sides of one for the head alone have ended, and it would wait for that.
    if (stream.headRequest) stream.destroy()
  } else {
    if (endsByClose(response)) reset(response.socket)
    response.destroy()
    endInTurn(response)
  }
}

/** Neither its length was told nor does it come in chunks, as for HTTP/1.0: the end of its connection is that of its body. */
function endsByClose(response: ServerResponse): boolean {
  const { headersSent, chunkedEncoding } = response
  return headersSent && !chunkedEncoding && !response.hasHeader('content-length')
}

/** Of those of TLS and of other systems' sockets, Node.js resets none. */
function reset(socket: Socket | null): void {
  attempt(() => socket?.resetAndDestroy())
}

/**
 * One that was destroyed while it waited in line behind another: when its turn comes, Node.js has forgotten that, and
 * sends what it has, or lets its client wait for ever.
 */
export function endInTurn(response: ServerResponse): void {
  if (response.socket === null) response.once('socket', destroy)
}

function destroy(socket: Socket): void {
  socket.destroy()
}

/** What is used of a stream of HTTP/2. */
interface Stream {
  readonly headRequest: boolean
  readonly writableEnded: boolean
  readonly aborted: boolean
  readonly destroyed: boolean
  readonly rstCode: number
  readonly sentHeaders: OutgoingHttpHeaders
  destroy(): void
  close(code: number): void
  once(event: 'close', listener: () => void): unknown
}

/** Whether this is a response of the compatibility API. */
export function isHttp2(
  response: ServerResponse,
): response is ServerResponse & { readonly stream: Stream } {
  return 'stream' in response
}

/** Its connection, or its stream of HTTP/2, is gone: nothing more is told of it. */
export function hasClosed(response: ServerResponse): boolean {
  return isHttp2(response) ? response.stream.destroyed : response.destroyed
}

/** All of it was given: to the response, or in HTTP/2 to its stream, which a reset ends as well. */
export function hasEnded(response: ServerResponse): boolean {
  if (isEnded(response) || !isHttp2(response)) return isEnded(response)
  const { writableEnded, aborted, rstCode } = response.stream
  return writableEnded && !aborted && rstCode === 0
}

/** In HTTP/2 a body was given to the stream, past the response: it takes files. One without a body ends with its head. */
export function isStreamed(response: ServerResponse): boolean {
  if (isEnded(response) || !isHttp2(response) || !hasEnded(response)) return false
  const { headRequest, sentHeaders } = response.stream
  return !headRequest && !isEmptyStatus(Number(sentHeaders[':status']))
}

export function isUntouched(response: ServerResponse): boolean {
  return !response.headersSent && !isEnded(response) && !response.destroyed
}

async function ask(
  { scope, response }: Failed,
  onError: OnRequestError,
  error: unknown,
): Promise<void> {
  try {
    // The adapter keeps the function as what it was given as: one that takes a response.
    await onError(error, response as never)
  } catch (failure) {
    report(scope, error)
    report(scope, failure)
    // It has begun an answer that nobody ends any more.
    if (response.headersSent && !isEnded(response)) cut(response)
  }
}

/** As the libraries that make errors for servers have it: `statusCode` or `status`, 400 to 599. */
export function statusOf(error: unknown): number | undefined {
  if (!isObject(error)) return undefined
  // Of any object: what it has is found out here, and it may refuse to be looked at.
  const shown = error as { statusCode?: unknown; status?: unknown }
  return [attempt(() => shown.statusCode), attempt(() => shown.status)].find(isErrorStatus)
}

function isErrorStatus(status: unknown): status is number {
  return Number.isInteger(status) && Number(status) >= 400 && Number(status) <= 599
}

/** The message of an error is for its client only where the client is at fault. */
export function textOf(status: number, error: unknown): string {
  return (status < 500 && isError(error) && error.message) || standardText(status)
}

function standardText(status: number): string {
  return STATUS_CODES[status] ?? 'Error'
}

export function refuse(response: ServerResponse, status: number, text: string): void {
  for (const name of response.getHeaderNames()) {
    if (name !== 'connection') response.removeHeader(name)
  }
  response.statusCode = status
  if (!isHttp2(response)) {
    response.statusMessage = standardText(status)
    if (status >= 500) response.setHeader('Connection', 'close')
  }
  response.setHeader('Content-Type', 'text/plain; charset=utf-8')
  response.setHeader('Content-Length', Buffer.byteLength(text))
  endWith(response, text)
}
