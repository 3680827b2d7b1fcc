/** The types of `unwind/node`, signature by signature. */
import { spawn, type ChildProcess } from 'node:child_process'
import { createWriteStream, type WriteStream } from 'node:fs'
import * as http from 'node:http'
import * as http2 from 'node:http2'
import * as https from 'node:https'
import * as net from 'node:net'
import { PassThrough, type Readable, type Writable } from 'node:stream'
import * as tls from 'node:tls'
import { expectAssignable, expectError, expectNotAssignable, expectType } from 'tsd'
import { createApp, type App, type Held, type Scope, type ShutdownReport } from 'unwind'
import { closing, exiting, finishing, shutdownOnSignals } from 'unwind/node'

expectType<<S extends net.Server>(server: S, options?: { grace?: number }) => S & AsyncDisposable>(
  closing,
)
const closed = closing(http.createServer())
expectAssignable<http.Server>(closed)
expectAssignable<AsyncDisposable>(closed)
// The kind of server is kept.
expectAssignable<https.Server>(closing(https.createServer(), { grace: 1 }))
expectAssignable<http2.Http2Server>(closing(http2.createServer()))
expectAssignable<http2.Http2SecureServer>(closing(http2.createSecureServer()))
expectAssignable<tls.Server>(closing(tls.createServer()))
expectAssignable<net.Server>(closing(net.createServer()))
// A server is given, not what listens on it.
expectError(closing({ close() {} }))
// Options are milliseconds by name.
expectError(closing(http.createServer(), 5_000))
expectError(closing(http.createServer(), { timeout: 5_000 }))
expectError(closing(http.createServer(), { grace: '5s' }))

expectType<<W extends Writable>(stream: W, options?: { grace?: number }) => Held<W>>(finishing)
const finished = finishing(createWriteStream('/dev/null'))
expectType<Held<WriteStream>>(finished)
expectType<WriteStream>(finished.value)
expectAssignable<AsyncDisposable>(finished)
const through = finishing(new PassThrough(), { grace: 1 })
expectType<Held<PassThrough>>(through)
declare const readable: Readable
// There is nothing to flush in what is only read.
expectError(finishing(readable))
// `using` would not wait for it.
expectNotAssignable<Disposable>(finished)
expectError(finishing(createWriteStream('/dev/null'), { timeout: 1 }))

const exited = exiting(spawn('true'), { grace: 1, signal: 'SIGINT' })
expectType<Held<ChildProcess>>(exited)
expectType<ChildProcess>(exited.value)
expectNotAssignable<Disposable>(exited)
// A signal has a name of the system's.
expectError(exiting(spawn('true'), { signal: 'TERM' }))
// A child is ended, not its number.
expectError(exiting(4242))

const app = createApp()
expectType<Disposable>(shutdownOnSignals(app))
expectType<Disposable>(
  shutdownOnSignals(app, {
    signals: ['SIGTERM', 'SIGHUP'],
    lameDuck: 1,
    grace: 1,
    abortGrace: 1,
    onReport: (report) => expectType<ShutdownReport>(report),
    exit: false,
  }),
)
expectAssignable<Parameters<typeof shutdownOnSignals>[0]>({} as App)
declare const scope: Scope
// Only an app can be shut down.
expectError(shutdownOnSignals(scope))
expectError(shutdownOnSignals(app, { signals: 'SIGTERM' }))
expectError(shutdownOnSignals(app, { signals: ['TERM'] }))
expectError(shutdownOnSignals(app, { timeout: 1 }))
