/**
 * The driver as it is used here, by its shape: documented properties of a `pg` client, and the few undocumented ones
 * that a cancel needs.
 */
import { outermostFrame } from '../core/context.ts'
import { ignore } from '../core/dispose.ts'
import { withTypes, type Types } from './query-arguments.ts'
import type { PgQueryConfig, PgQueryResult } from './types.ts'

/** `I` idle, `T` in a transaction, `E` in a failed one; as of the server's last ReadyForQuery. */
export type TransactionStatus = 'I' | 'T' | 'E'

export type DriverResult = PgQueryResult<unknown> | PgQueryResult<unknown>[]

/** Whether `command` is that of a statement which `result` answers: one, or one of a script. */
export function hasCommand(result: DriverResult, command: string): boolean {
  if ('command' in result) return result.command === command
  return result.some((part) => part.command === command)
}

interface DriverStream {
  readonly remoteAddress?: string
  readonly remotePort?: number
  destroy(): void
}

export interface DriverClient {
  query(
    text: string | PgQueryConfig,
    values: readonly unknown[] | undefined,
    callback: (error: Error | null | undefined, result: DriverResult | undefined) => void,
  ): unknown
  on(event: 'error' | 'drain' | 'end', listener: (error?: Error) => void): unknown
  end?(callback: () => void): void
  /** Not with libpq. */
  escapeIdentifier(name: string): string
  /** The same. */
  escapeLiteral(text: string): string
  /** pg 8.21 and later. */
  getTransactionStatus?(): TransactionStatus | null
  readonly host?: string
  readonly port?: number
  readonly database?: string
  readonly user?: string
  readonly password?: unknown
  readonly ssl?: boolean | object
  readonly sslNegotiation?: string
  readonly processID?: number | null
  readonly secretKey?: number | null
  /** False while a statement runs. */
  readonly readyForQuery?: boolean
  readonly connection?: {
    readonly stream: DriverStream
    /** What it takes for prepared, by name. */
    readonly parsedStatements?: object
    prependListener?(
      event: 'readyForQuery',
      listener: (message: { readonly status: TransactionStatus }) => void,
    ): unknown
  }
  /** libpq, under the native driver. */
  readonly native?: { cancel(callback: () => void): void }
}

/** Whether the driver takes one of `names`, or `all`, for prepared: it prepares named queries once in the life of a connection. */
export function hasPrepared({ connection }: DriverClient, names: ReadonlySet<string>): boolean {
  const prepared = Object.keys(connection?.parsedStatements ?? {})
  return prepared.some((name) => names.has(name) || names.has('all'))
}

export type Release = (error?: Error) => void

type OnConnect = (
  error: Error | undefined,
  client: DriverClient | undefined,
  release: Release,
) => void

export interface DriverPool {
  /** The class of its connections. */
  readonly Client?: unknown
  readonly totalCount?: number
  readonly idleCount?: number
  readonly ending?: boolean
  readonly options?: {
    readonly max?: number
    readonly host?: string
    readonly port?: number | string
    readonly database?: string
    readonly connectionString?: string
    /** Zero: none. */
    readonly connectionTimeoutMillis?: number
    /** What its connections read values with. */
    readonly types?: Types
    /** Called for each new connection, before anybody has it. */
    readonly onConnect?: unknown
  }
  /** Those that are being opened, too. */
  readonly _clients?: readonly DriverClient[]
  connect(callback: OnConnect): unknown
  /** Opens a connection, for the call that waits. */
  newClient?(waiting: unknown): unknown
  end(): Promise<void>
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'connect', listener: (client: DriverClient) => void): unknown
  listenerCount?(event: string): number
}

/**
 * Call the driver outside of every request: a socket and its timers keep the context in which they were made, show it
 * to every listener, and retain it until they close.
 */
export function outside<A extends unknown[], R>(call: (...args: A) => R, ...args: A): R {
  return outermostFrame.runInAsyncScope(call, undefined, ...args)
}

/** The same for what every lease does: an array of arguments less. */
export function releaseOutside(release: Release): void {
  outermostFrame.runInAsyncScope(release)
}

/**
 * Ask for a connection where the caller is: what traces a program times the wait as a part of the request. Where it is not
 * known what opens a connection, outside of every request.
 */
export function connect(pool: DriverPool, callback: OnConnect): unknown {
  if (pool.newClient !== undefined) return pool.connect(callback)
  return outside(() => pool.connect(callback))
}

/** A connection is opened by the call that needs it, or by one that makes room for it: it is of neither. */
function openOutside(pool: DriverPool): void {
  const open = pool.newClient?.bind(pool)
  if (open !== undefined) pool.newClient = (waiting) => outside(open, waiting)
}

const guarded = new WeakSet<DriverPool>()

/**
 * Once for each pool: an idle connection that breaks is replaced, and must not end the process; nor must what throws
 * where the connections read values.
 */
export function guard(pool: DriverPool): void {
  if (guarded.has(pool)) return
  guarded.add(pool)
  pool.on('error', ignore)
  openOutside(pool)
  const { options } = pool
  if (options?.types) Object.assign(options, withTypes(options.types))
  // Before anybody uses it: what is not seen then is not known later.
  pool.on('connect', (client) => {
    statusReader(client)
    noteSetUp(client, pool)
  })
}

const setUp = new WeakSet<DriverClient>()

/** The driver sends what is given to it on that event at the end of the turn, before anything of ours. */
function noteSetUp(client: DriverClient, pool: DriverPool): void {
  // We are one of those who listen.
  if (pool.listenerCount?.('connect') === 1) return
  queueMicrotask(() => {
    if (client.readyForQuery === false) setUp.add(client)
  })
}

/** Its pool may have changed `client` when it was opened, by `onConnect` or on its `connect` event. */
export function wasSetUp(client: DriverClient, { options }: DriverPool): boolean {
  return options?.onConnect !== undefined || setUp.has(client)
}

type StatusReader = () => TransactionStatus | null

/** Those that listen, for drivers which do not tell. */
const readers = new WeakMap<DriverClient, StatusReader>()

/** A reader of the transaction status, for every version of the driver; `null` where it cannot be known. */
export function statusReader(client: DriverClient): StatusReader {
  if (client.getTransactionStatus !== undefined) {
    return () => client.getTransactionStatus?.() ?? null
  }
  const known = readers.get(client)
  if (known !== undefined) return known
  if (client.connection?.prependListener === undefined) return () => null
  let status: TransactionStatus = 'I'
  // Before the driver's own: it announces the end of the statement.
  client.connection.prependListener('readyForQuery', (message) => {
    status = message.status
  })
  const reader: StatusReader = () => status
  readers.set(client, reader)
  return reader
}
