/**
 * The head of a `Response`, on a response of Node.js: what it says of the message, and nothing of the connection that the
 * message came on, which is another one than the client's (RFC 9110, 7.6.1; RFC 9113, 8.2.2).
 */
import type { ServerResponse } from 'node:http'
import { isHttp2 } from './failure.ts'

/** Whichever implementation it is of. */
export interface ResponseHead {
  readonly status: number
  readonly statusText: string
  /** Where it was fetched from. */
  readonly url?: string
  readonly headers: {
    get(name: string): string | null | undefined
    forEach(visit: (value: string, name: string) => void): void
  }
}

const ofConnection: readonly string[] = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
]

/** What `fetch` decodes. That of Node.js 22 does not know zstd. */
const codings = new Set(['gzip', 'x-gzip', 'deflate', 'br'])
if (Number.parseInt(process.versions['undici'] ?? '', 10) >= 7) codings.add('zstd')

export function copyHead(head: ResponseHead, response: ServerResponse): void {
  const { headers, status, statusText } = head
  response.statusCode = status
  if (statusText !== '' && !isHttp2(response)) response.statusMessage = statusText
  const options = optionsOf(headers.get('connection'))
  const decoded = isDecoded(head)
  headers.forEach((value, name) => {
    if (options.includes(name)) return
    if (decoded && (name === 'content-encoding' || name === 'content-length')) return
    if (name === 'set-cookie') response.appendHeader(name, value)
    else response.setHeader(name, value)
  })
}

/** The headers that are about the connection, those too that it names as such. */
function optionsOf(connection: string | null | undefined): readonly string[] {
  return connection ? [...ofConnection, ...listOf(connection)] : ofConnection
}

/** Whether the body is not any more what its headers say: it was fetched, and decoded on the way. */
function isDecoded({ url, headers }: ResponseHead): boolean {
  const coding = url ? headers.get('content-encoding') : undefined
  return coding ? listOf(coding).every((one) => codings.has(one)) : false
}

function listOf(value: string): string[] {
  return value.split(',').map((item) => item.trim().toLowerCase())
}
