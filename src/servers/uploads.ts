/**
 * Bodies of requests of HTTP/2. Where its client cancels one, Node.js ends it first, as if all of it were there, and
 * tells of the abort in the same turn, but later. So the end waits for that turn, and a body that was cut off fails to be
 * read, as in HTTP/1.1.
 */
import type { IncomingMessage } from 'node:http'

/** The part of a request of the compatibility API that is used. */
interface Upload extends IncomingMessage {
  readonly stream: {
    readonly aborted: boolean
    readonly closed: boolean
    /** It has no body. */
    readonly endAfterHeaders: boolean
  }
}

/** To be called before anything of the body has been read. */
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

function isOfHttp2(request: IncomingMessage): request is Upload {
  return request.httpVersionMajor === 2
}
