/** `node --expose-gc bench/soak/service.ts SERVER`: one server, and what its process holds, whenever it is asked. */
import { createHook } from 'node:async_hooks'
import { readdirSync } from 'node:fs'
import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises'

import { createApp } from 'unwind'
import { listen } from 'unwind/http'

import { servers } from './servers.ts'
import { Broken, leases, serveFeed } from './site.ts'

export interface Sample {
  readonly scopes: number
  readonly leases: number
  readonly timers: number
  readonly heap: number
  readonly files: number
  /** Of all leases so far. */
  readonly taken: number
  /** What the app was told of and was not planned. */
  readonly surprises: readonly string[]
}

const timers = new Set<number>()
createHook({
  init: (id, type) => {
    if (type === 'Timeout') timers.add(id)
  },
  destroy: (id) => timers.delete(id),
}).enable()

const surprises: string[] = []
const app = createApp({
  onError: (error) => {
    if (!(error instanceof Broken)) surprises.push(String(error))
  },
})
process.on('uncaughtException', (error) =>
  surprises.push(`uncaught: ${error.stack ?? String(error)}`),
)
process.on('unhandledRejection', (error) => surprises.push(`unhandled: ${String(error)}`))

const server = await servers[process.argv[2] ?? '']?.(app)
if (server === undefined) throw new Error(`No server "${process.argv[2]}".`)
const listening = await listen(app, server, { port: 0, host: '127.0.0.1' })
const feed = serveFeed(app, server)

process.on('message', (message) => void asked(message))
process.send?.(listening.port)

async function asked(message: unknown): Promise<void> {
  if (message === 'settle') await settle()
  if (message === 'end') {
    await feed[Symbol.asyncDispose]()
    await app.shutdown()
    process.disconnect()
  } else {
    process.send?.(sample())
  }
}

function sample(): Sample {
  return {
    scopes: app.inspect().children.length,
    leases: leases.held,
    timers: timers.size,
    heap: process.memoryUsage().heapUsed,
    files: openFiles(),
    taken: leases.taken,
    surprises: surprises.slice(0, 10),
  }
}

/** Wait until nothing is served any more, and collect what is garbage. Gives up after 10 s: then the numbers say so. */
async function settle(): Promise<void> {
  for (let i = 0; i < 100; i += 1) {
    await delay(100)
    if (app.inspect().children.length === 0 && leases.held === 0 && (await connections()) === 0)
      break
  }
  // Connections and answers are collected in several steps, and the clocks of Node.js and of the core run out.
  for (let i = 0; i < 6; i += 1) {
    await delay(200)
    globalThis.gc?.()
    await turn()
  }
}

function connections(): Promise<number> {
  return new Promise((resolve) => {
    server?.getConnections((_error, count) => resolve(count))
  })
}

function openFiles(): number {
  try {
    return readdirSync('/proc/self/fd').length
  } catch {
    // Systems other than Linux do not tell.
    return 0
  }
}
