/** The servers of the suite over HTTP/2, of whose ends Node.js tells little, and that differently. */
import type { Server } from 'node:http'
import { createServer } from 'node:http2'

import { kinds, type Kind } from './kinds.ts'
import { askHttp2 } from './other-clients.ts'

/** Express knows no HTTP/2. */
export const http2Kinds: readonly Kind[] = kinds
  .filter(({ name }) => !name.startsWith('Express') && !name.includes('https'))
  .map(overHttp2)

/** What answers is the listener of `kind`, before which there is another server. */
function overHttp2({ name, seesResult, open }: Kind): Kind {
  return {
    name: name.endsWith('http2') ? name : `${name} over HTTP/2`,
    seesResult,
    plain: false,
    ask: askHttp2,
    open: async (app, handler, options) => {
      const { server, stop } = await open(app, handler, options)
      const front = createServer()
      for (const listener of server.listeners('request')) {
        front.on('request', listener as () => void)
      }
      // The compatibility API is that of http.
      return { server: front as unknown as Server, stop }
    },
  }
}
