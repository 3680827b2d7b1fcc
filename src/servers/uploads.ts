/**
 * Bodies of requests that are cut off: whoever reads one hears of that.
 */
import type { IncomingMessage } from 'node:http'
import { isError } from '../core/errors/format.ts'

/** The part of a request of the compatibility API that is used. */
interface Upload extends IncomingMessage {
  readonly stream: {
    readonly aborted: boolean
    readonly closed: boolean
    /** It has no body. */
    readonly endAfterHeaders: boolean
  }
}

/**
 * Where a client of HTTP/2 cancels a body, Node.js ends that first, as if all of it were there, and tells of the abort in
 * the same turn, but later. So the end waits for that turn, and the body fails to be read, as in HTTP/1.1. To be called
 * before anything of it has been read.
 */
export function holdEnd(request: IncomingMessage): void {
  if (!isOfHttp2(request) || request.stream.endAfterHeaders) return
  const { stream } = request
  const push = request.push.bind(request)
  request.push = (chunk: unknown, encoding?: BufferEncoding): boolean => {
    // Its stream pushes the end once more when it closes.
    if (chunk !== null || stream.closed) return push(chunk, encoding)
    setImmediate(() => stream.closed || push(null))
    return false
  }
}

/**
 * Node.js forgets a request of HTTP/1.1 once its answer has ended. Where the connection closes before the rest of the body
 * has come, whoever still reads that would wait for ever. Mocks of requests do not say what of it is there.
 */
export function failWithConnection(request: IncomingMessage, reason: unknown): void {
  const { complete } = request as { readonly complete?: boolean }
  if (complete !== false || request.destroyed || isOfHttp2(request)) return
  const { socket } = request
  const fail = (): void => {
    request.destroy(isError(reason) ? reason : undefined)
  }
  socket.once('close', fail)
  request.once('close', () => socket.off('close', fail))
  if (socket.closed) fail()
}

function isOfHttp2(request: IncomingMessage): request is Upload {
  return request.httpVersionMajor === 2
}
