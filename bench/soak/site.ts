/** What each server serves: the same handler, every route of which holds a file for as long as its request lives. */
import { open } from 'node:fs/promises'
import type { Server } from 'node:http'
import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

import { resource, type App, type Scope } from 'unwind'
import { serveSockets } from 'unwind/ws'
import { WebSocketServer } from 'ws'

const file = fileURLToPath(import.meta.url)

/** What is held now, as the service counts it. */
export const leases = { held: 0, taken: 0 }

/** A real file: one that is not closed is seen in the list of files of the process, too. */
const lease = resource({
  name: 'file',
  acquire: async () => {
    const handle = await open(file)
    leases.held += 1
    leases.taken += 1
    return handle
  },
  release: async (handle) => {
    await handle.close()
    leases.held -= 1
  },
})

const large = Buffer.alloc(4 * 1024 * 1024, 'x')

/** Milliseconds for a whole request, which one of the routes uses up. */
export const timeout = 3_000

export class Broken extends Error {
  readonly statusCode = 500
  readonly status = 500
}

/** The answer to `path`: text, bytes, or a stream. */
export async function answer(path: string, scope: Scope): Promise<string | Buffer | Readable> {
  const handle = await scope.get(lease)
  switch (path) {
    case '/throw':
      throw new Broken('as planned')
    case '/wait':
      // Clients leave in the middle of it.
      await delay(50, undefined, { signal: scope.signal })
      return 'waited'
    case '/forever':
      await delay(60_000, undefined, { signal: scope.signal })
      return 'never'
    case '/large':
      return large
    case '/stream':
      return Readable.from(pieces(scope))
    default:
      return `${(await handle.stat()).size} bytes`
  }
}

async function* pieces(scope: Scope): AsyncGenerator<Buffer> {
  for (let i = 0; i < 16; i += 1) {
    scope.signal.throwIfAborted()
    yield large.subarray(0, 64 * 1024)
    await delay(2)
  }
}

/** A feed: each message has a scope and a file of its own. */
export function serveFeed(app: App, server: Server): AsyncDisposable {
  const upgrades = new WebSocketServer({ server, path: '/feed', maxPayload: 4_096 })
  return serveSockets(
    app,
    upgrades,
    async (socket, scope) => {
      for await (const message of socket) {
        if (message === 'throw') throw new Broken('as planned')
        await scope.run({ kind: 'request' }, async (own) => {
          await own.get(lease)
          await delay(1, undefined, { signal: own.signal })
          await socket.send(message)
        })
      }
    },
    { heartbeat: 2_000, grace: 200 },
  )
}
