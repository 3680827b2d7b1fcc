/**
 * A service in a process of its own, which ends at a signal: `service.ts OPTIONS`, where OPTIONS is JSON. It prints a
 * line for whatever the tests wait for.
 */
import { writeSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { Socket } from 'node:net'

import { createApp, resource, type Scope } from 'unwind'
import { handle, listen } from 'unwind/http'
import { shutdownOnSignals } from 'unwind/node'
import { serveSockets } from 'unwind/ws'
import { WebSocketServer } from 'ws'

import { large } from '../../../bench/shutdown/clients.ts'
import { secrets } from './other-clients.ts'

export interface ServiceOptions {
  readonly secure?: boolean
  readonly linger?: number
  readonly lameDuck?: number
  /** Milliseconds. */
  readonly grace?: number
  readonly abortGrace?: number
}

const options = JSON.parse(process.argv[2] ?? '{}') as ServiceOptions
const { secure = false, linger = 500, lameDuck = 0, grace = 10_000, abortGrace = 1_000 } = options
const body = Buffer.alloc(large, 'x')

const app = createApp({
  name: 'service',
  onError: (error) => console.log(`error ${String(error)}`),
})
for (const name of ['older', 'newer']) {
  await app.get(
    resource({
      name,
      lifetime: 'app',
      acquire: () => name,
      release: () => console.log(`released ${name}`),
    }),
  )
}
const pool = resource({
  name: 'lease',
  acquire: () => 'lease',
  release: () => console.log('released lease'),
})

const listener = handle(app, answer)
const server = secure ? createHttpsServer(secrets, listener) : createServer(listener)
const accepted: number[] = []
server.on('connection', ({ remotePort }: Socket) => accepted.push(remotePort ?? 0))
process.on('exit', () => writeSync(1, `accepted ${JSON.stringify(accepted)}\n`))
const upgrades = new WebSocketServer({ server, path: '/feed' })
serveSockets(
  app,
  upgrades,
  async (socket) => {
    console.log('socket')
    for await (const message of socket) await socket.send(message)
  },
  { grace: 200 },
)
app.draining.addEventListener('abort', () => console.log('draining'))
shutdownOnSignals(app, {
  lameDuck,
  grace,
  abortGrace,
  onReport: ({ drained, aborted, stuck, errors }) =>
    console.log(`report ${drained} ${aborted} ${stuck.length} ${errors.length}`),
})
const { port } = await listen(app, server, { port: 0, host: '127.0.0.1', linger })
console.log(`port ${port}`)

async function answer(
  { url }: IncomingMessage,
  response: ServerResponse,
  scope: Scope,
): Promise<unknown> {
  if (url === '/quick') return 'quick'
  if (url === '/download') {
    response.setHeader('Content-Length', large)
    return body
  }
  if (url === '/events') return events(scope, scope.draining)
  if (url === '/endless-events') return events(scope, scope.signal)
  await scope.get(pool)
  console.log(`asked ${url}`)
  if (url === '/held') await until(scope.draining)
  if (url === '/patient') {
    await until(scope.signal)
    scope.signal.throwIfAborted()
  }
  // Heeds nothing.
  if (url === '/stubborn') await new Promise(() => {})
  return 'the whole answer'
}

async function* events(scope: Scope, signal: AbortSignal): AsyncGenerator<string> {
  scope.defer(({ status }) => console.log(`events ${status}`))
  yield 'data: hello\n\n'
  await until(signal)
  yield 'data: goodbye\n\n'
}

function until(signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      if (signal.reason === undefined) reject(new Error('No reason.'))
      // In the next turn, so that whoever is told at the same time comes first.
      setImmediate(resolve)
    }
    if (signal.aborted) end()
    signal.addEventListener('abort', end)
  })
}
