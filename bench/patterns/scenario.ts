/** One pattern over one distance: a service in a process of its own, its clients, and what the database sees meanwhile. */
// oxlint-disable no-await-in-loop -- watched again and again
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { Client, type PoolConfig } from 'pg'
import type { WebSocket } from 'ws'
import { cert } from '../../test/pg/support/certificate.ts'
import type { Postgres } from '../../test/support/postgres.ts'
import { median } from '../harness.ts'
import { visit } from './clients.ts'
import {
  leaves,
  socketPatterns,
  type Distance,
  type Effort,
  type Finding,
  type PatternName,
  type Traffic,
} from './patterns.ts'
import { visitSockets } from './socket-clients.ts'

export const clients = 32

/** A connection to the database that nothing delays, and that was there before all others. */
export class Observer implements AsyncDisposable {
  readonly #client: Client

  private constructor(client: Client) {
    this.#client = client
  }

  static async open(url: string): Promise<Observer> {
    const client = new Client(url)
    await client.connect()
    return new Observer(client)
  }

  /** The connections of everybody else. */
  async backends(): Promise<number> {
    const { rows } = await this.#client.query<{ count: number }>(
      `select count(*)::int from pg_stat_activity
       where backend_type = 'client backend' and pid <> pg_backend_pid()`,
    )
    return rows[0]?.count ?? NaN
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.end()
  }
}

/** The wire of one distance. */
export class Wire implements AsyncDisposable {
  readonly config: PoolConfig
  readonly #child: ChildProcess | undefined

  private constructor(config: PoolConfig, child: ChildProcess | undefined) {
    this.config = config
    this.#child = child
  }

  static async open(database: Postgres, { roundTrip, handshake }: Distance): Promise<Wire> {
    const { username, password } = new URL(database.url)
    const child = roundTrip === 0 ? undefined : start('delay.ts', database.port, roundTrip)
    const config = {
      host: '127.0.0.1',
      port: child === undefined ? database.port : await told(child),
      user: username,
      password,
      database: 'postgres',
      ...(handshake === 'SCRAM + TLS' && { ssl: { ca: cert } }),
    }
    return new Wire(config, child)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child !== undefined) await end(this.#child)
  }
}

export async function tryOut(
  pattern: PatternName,
  distance: Distance,
  { config }: Wire,
  observer: Observer,
  effort: Effort,
): Promise<Finding> {
  const service = start('service.ts', pattern, JSON.stringify(config))
  const silent: WebSocket[] = []
  const watch = new Watch(service, observer)
  try {
    const port = await told(service)
    const isSteady = pattern !== 'never closed' && !socketPatterns.includes(pattern)
    if (isSteady) await warmUp(port)
    const alone = isSteady ? await askAlone(port, effort) : undefined
    const watching = watch.untilStopped()
    const traffic = await load(pattern, port, effort, silent)
    watch.stop()
    await watching
    // Where nothing will close them, there is nothing to wait for but the last answer.
    const left = await untilUnused(observer, leaves(pattern) ? 500 : effort.settle)
    return { pattern, distance, alone, ...seen(traffic), ...watch.most, left }
  } finally {
    for (const socket of silent) socket.terminate()
    await end(service)
    await untilUnused(observer, 5_000)
  }
}

/** What is made once is made: the pools have their connections. */
async function warmUp(port: number): Promise<void> {
  await visit(port, { clients, requests: clients, ms: Infinity })
}

/** Nobody else asks. */
async function askAlone(port: number, { alone }: Effort): Promise<number> {
  const { latencies } = await visit(port, { clients: 1, ...alone })
  return median(latencies)
}

/** Until well after it must have failed: as many requests as the database allows connections, and some more. */
const failing = { clients, requests: 128, ms: 20_000 }

async function load(
  pattern: PatternName,
  port: number,
  effort: Effort,
  silent: WebSocket[],
): Promise<Traffic> {
  if (socketPatterns.includes(pattern)) {
    return await visitSockets(port, { clients, ...effort }, silent)
  }
  return await visit(port, pattern === 'never closed' ? failing : { clients, ...effort })
}

function seen({
  latencies,
  ms,
  errors,
  firstError,
}: Traffic): Omit<Finding, 'pattern' | 'distance' | 'alone' | 'backends' | 'left' | 'memory'> {
  const sorted = latencies.toSorted((a, b) => a - b)
  return {
    perSecond: (latencies.length / ms) * 1_000,
    p50: median(sorted),
    p99: sorted[Math.floor(sorted.length * 0.99)] ?? NaN,
    errors,
    firstError,
  }
}

/** The most of what was seen: connections of the server, and memory of the service. */
class Watch {
  readonly most = { backends: 0, memory: 0 }
  readonly #service: ChildProcess
  readonly #observer: Observer
  #stopped = false

  constructor(service: ChildProcess, observer: Observer) {
    this.#service = service
    this.#observer = observer
  }

  async untilStopped(): Promise<void> {
    while (!this.#stopped) {
      await this.#look()
      await pause(50)
    }
    await this.#look()
  }

  stop(): void {
    this.#stopped = true
  }

  async #look(): Promise<void> {
    this.#service.send('memory')
    const [memory, backends] = await Promise.all([told(this.#service), this.#observer.backends()])
    this.most.memory = Math.max(this.most.memory, memory)
    this.most.backends = Math.max(this.most.backends, backends)
  }
}

/** @returns how many connections are left after so many milliseconds */
async function untilUnused(observer: Observer, ms: number): Promise<number> {
  const began = performance.now()
  for (;;) {
    const left = await observer.backends()
    if (left === 0 || performance.now() - began > ms) return left
    await pause(25)
  }
}

function start(script: string, ...parameters: (string | number)[]): ChildProcess {
  return fork(new URL(script, import.meta.url), parameters.map(String))
}

/** The number that it sends next. */
async function told(child: ChildProcess): Promise<number> {
  const gone = new AbortController()
  const exit = once(child, 'exit', { signal: gone.signal }).then(([code]: unknown[]) => {
    throw new Error(`${child.spawnargs.slice(1, 3).join(' ')} ended with ${String(code)}.`)
  })
  try {
    const [number] = (await Promise.race([once(child, 'message'), exit])) as [number]
    return number
  } finally {
    exit.catch(() => {})
    gone.abort()
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  child.disconnect()
  await exit
}
