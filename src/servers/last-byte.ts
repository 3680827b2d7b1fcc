/**
 * An answer that tells its length is complete with its last byte, whatever its server does after that: so the last byte is
 * a part of its end, and goes with it.
 */
import type { ServerResponse } from 'node:http'
import { isHttp2 } from './failure.ts'
import type { Served } from './served.ts'

type Send = (...given: unknown[]) => unknown

/** Its framework writes what is still being made, maybe in full before its handler settles. */
export function streams(served: Served): void {
  served.streams = true
  holdLastByte(served.response)
}

/** Before the first byte: whoever holds the end of `response` back holds its last byte back, too. */
export function holdLastByte(response: ServerResponse): void {
  // There the end is a frame of its own, and nothing is complete without it.
  if (isHttp2(response)) return
  keepHead(response)
  // All its overloads at once.
  const write = response.write.bind(response) as Send
  // All of this, too.
  const end = response.end.bind(response) as Send
  let left: number | undefined
  let last: Uint8Array | undefined
  response.write = (...given: unknown[]): boolean => {
    left ??= Number(response.getHeader('content-length') ?? Infinity)
    const bytes = left === Infinity ? undefined : bytesIn(given)
    left -= bytes?.length ?? 0
    if (bytes === undefined || left > 0) return Boolean(write(...given))
    const all = last === undefined ? bytes : Buffer.concat([last, bytes])
    // A copy: its writer may use the memory for something else.
    last = Uint8Array.from(all.subarray(-1))
    return Boolean(write(all.subarray(0, -1), given.find(isCallback)))
  }
  response.end = (...given: unknown[]): ServerResponse => {
    if (last !== undefined && !response.destroyed) write(last)
    last = undefined
    // One that others have replaced may call `write()` for what it is given.
    left = Infinity
    end(...given)
    return response
  }
}

/** Node.js forgets what `writeHead()` is given, unless a header was set before. */
function keepHead(response: ServerResponse): void {
  if (response.headersSent) return
  response.setHeader('X-Kept', '')
  response.removeHeader('X-Kept')
}

/** What `write()` is given; `undefined`: that is for Node.js to refuse. */
function bytesIn([chunk, encoding]: unknown[]): Uint8Array | undefined {
  if (chunk instanceof Uint8Array) return chunk
  if (typeof chunk !== 'string') return undefined
  // Node.js refuses any other, as it would there.
  return Buffer.from(chunk, typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8')
}

function isCallback(given: unknown): boolean {
  return typeof given === 'function'
}
