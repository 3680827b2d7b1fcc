/** Every public function that takes options, with the rest of what it wants. */
import { spawn } from 'node:child_process'
import { createServer } from 'node:http'
import { PassThrough } from 'node:stream'
import { WebSocketServer } from 'ws'

import { createApp, detectLeaks, hold, resource, run, value } from 'unwind'
import * as better from 'unwind/better-sqlite3'
import { expressScope } from 'unwind/express'
import { honoFetch, honoScope } from 'unwind/hono'
import { graceful, handle, listen, scoped } from 'unwind/http'
import { inspector } from 'unwind/inspector'
import { koaListener } from 'unwind/koa'
import { closing, exiting, finishing, shutdownOnSignals } from 'unwind/node'
import * as own from 'unwind/node-sqlite'
import { metrics } from 'unwind/otel'
import { pgPool, pgResources, transactional } from 'unwind/pg'
import { fakeResource } from 'unwind/testing'
import { connect, serveSockets } from 'unwind/ws'

import { newPool } from '../pg/support/database.ts'

export interface Door {
  readonly name: string
  /** What it takes. */
  readonly options: readonly [string, ...string[]]
  /** What is given here is of no type: that is what is tried. */
  readonly open: (options: never) => unknown
}

const scope = ['name', 'kind', 'signal', 'timeout', 'disposeTimeout', 'abandonAfter'] as const
const adapter = ['timeout', 'closeAt', 'serverTiming', 'abandonAfter', 'name'] as const
const transaction = ['isolation', 'readOnly', 'deferrable', 'signal'] as const
const sqlite = ['readers', 'defaults', 'busyTimeout', 'slowWrite'] as const

export async function openDoors(): Promise<AsyncDisposable & { readonly all: readonly Door[] }> {
  const app = createApp()
  const one = value(1)
  const body = (): void => {}
  const db = pgResources(() => newPool())
  const pool = app.use(pgPool(() => newPool({ max: 2 })))
  const lease = app.use(await pool.acquire())
  const tx = app.use(await lease.begin())
  const server = createServer()
  const child = app.use(
    exiting(spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)'])),
  ).value
  const core: Door[] = [
    { name: 'createApp', options: ['name', 'onError', 'overrides'], open: createApp },
    { name: 'run', options: scope, open: (options) => run(options, body) },
    { name: 'scope.run', options: scope, open: (options) => app.run(options, body) },
    { name: 'scope.child', options: scope, open: (options) => app.child(options) },
    { name: 'scope.get', options: ['signal'], open: (options) => app.get(one, options) },
    { name: 'scope.fork', options: ['onClose'], open: (options) => app.fork(body, options) },
    { name: 'app.detach', options: scope, open: (options) => app.detach(body, options) },
    {
      name: 'app.shutdown',
      options: ['lameDuck', 'grace'],
      open: (options) => app.shutdown(options),
    },
    {
      name: 'resource',
      options: ['name', 'lifetime'],
      open: (options) => resource(generator, options),
    },
    { name: 'value', options: ['name'], open: (options) => value(1, options) },
    {
      name: 'hold',
      options: ['name', 'disposeTimeout'],
      open: (options) => hold(1, body, options),
    },
    { name: 'detectLeaks', options: ['level', 'threshold', 'onLeak'], open: detectLeaks },
  ]
  const pg: Door[] = [
    {
      name: 'pgPool',
      options: ['own', 'reset', 'grace'],
      open: (options) => pgPool(newPool, options),
    },
    {
      name: 'pgResources',
      options: ['transaction'],
      open: (options) => pgResources(newPool, options),
    },
    { name: 'pool.acquire', options: ['signal'], open: (options) => pool.acquire(options) },
    {
      name: 'pool.query',
      options: ['signal'],
      open: (options) => pool.query('select 1', [], options),
    },
    {
      name: 'pool.transaction',
      options: [...transaction, 'retry'],
      open: (options) => pool.transaction(options, body),
    },
    {
      name: 'pool.listen',
      options: ['maxQueue'],
      open: (options) => pool.listen('channel', options),
    },
    {
      name: 'lease.query',
      options: ['signal'],
      open: (options) => lease.query('select 1', [], options),
    },
    { name: 'lease.begin', options: transaction, open: (options) => lease.begin(options) },
    {
      name: 'lease.advisoryLock',
      options: ['shared', 'timeout'],
      open: (options) => lease.advisoryLock(1, options),
    },
    {
      name: 'lease.tryAdvisoryLock',
      options: ['shared'],
      open: (options) => lease.tryAdvisoryLock(1, options),
    },
    {
      name: 'tx.cursor',
      options: ['batch'],
      open: (options) => tx.cursor('select 1', [], options),
    },
    {
      name: 'tx.advisoryLock',
      options: ['timeout'],
      open: (options) => tx.advisoryLock(1, options),
    },
    {
      name: 'transactional',
      options: [...transaction, 'propagation'],
      open: (options) => app.run(() => transactional(db, options, body)),
    },
  ]
  const files = [better, own].flatMap((entry): Door[] => {
    const file = app.use(entry.sqlite(':memory:'))
    return [
      { name: 'sqlite', options: sqlite, open: (options) => entry.sqlite(':memory:', options) },
      {
        name: 'sqliteResources',
        options: sqlite,
        open: (o) => entry.sqliteResources(':memory:', o),
      },
      { name: 'db.write', options: ['signal'], open: (options) => file.write(options) },
      { name: 'db.read', options: ['signal'], open: (options) => file.read(options) },
      {
        name: 'db.backup',
        options: ['signal'],
        open: (options) => file.backup('/nowhere', options),
      },
    ]
  })
  const servers: Door[] = [
    { name: 'scoped', options: adapter, open: (options) => scoped(app, body, options) },
    {
      name: 'handle',
      options: [...adapter, 'onError'],
      open: (options) => handle(app, body, options),
    },
    { name: 'expressScope', options: adapter, open: (options) => expressScope(app, options) },
    { name: 'honoScope', options: ['timeout'], open: (options) => honoScope(app, options) },
    {
      name: 'honoFetch',
      options: adapter,
      open: (options) => honoFetch(app, { fetch: () => new Response() }, options),
    },
    {
      name: 'koaListener',
      options: adapter,
      open: (options) => koaListener(app, { callback: () => body, context: {} } as never, options),
    },
    { name: 'graceful', options: ['linger'], open: (options) => graceful(app, server, options) },
    { name: 'listen', options: ['port', 'host', 'linger'], open: (o) => listen(app, server, o) },
    {
      name: 'serveSockets',
      options: ['grace', 'heartbeat'],
      open: (o) => serveSockets(app, new WebSocketServer({ noServer: true }), body, o),
    },
    {
      name: 'connect',
      options: ['signal', 'WebSocket'],
      open: (options) => connect('ws://127.0.0.1:1', options),
    },
    { name: 'inspector', options: ['path', 'hosts'], open: (options) => inspector(app, options) },
  ]
  const others: Door[] = [
    { name: 'closing', options: ['grace'], open: (options) => closing(server, options) },
    { name: 'finishing', options: ['grace'], open: (o) => finishing(new PassThrough(), o) },
    { name: 'exiting', options: ['grace', 'signal'], open: (options) => exiting(child, options) },
    {
      name: 'shutdownOnSignals',
      options: ['signals', 'lameDuck', 'onReport'],
      open: (options) => shutdownOnSignals(app, options),
    },
    { name: 'fakeResource', options: ['name'], open: (options) => fakeResource(1, options) },
    {
      name: 'metrics',
      options: ['connectionMetrics'],
      open: (options) => metrics(app, {}, options),
    },
  ]
  return {
    all: [...core, ...pg, ...files, ...servers, ...others],
    [Symbol.asyncDispose]: () => app.close(),
  }
}

async function* generator(): AsyncGenerator<number, void> {
  yield 1
}
