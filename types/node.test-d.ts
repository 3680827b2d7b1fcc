import type { ChildProcess } from 'node:child_process'
import type { Server } from 'node:http'
import type { Writable } from 'node:stream'
import type { App, Held } from 'unwind'
import { closing, exiting, finishing, shutdownOnSignals } from 'unwind/node'
import { expectAssignable, expectError } from 'tsd'

declare const app: App
declare const server: Server
declare const stream: Writable
declare const child: ChildProcess

const closes = closing(server, { grace: 1 })
expectAssignable<Server & AsyncDisposable>(closes)
const finishes = finishing(stream, { grace: 1 })
expectAssignable<Held<Writable>>(finishes)
const exits = exiting(child, { grace: 1, signal: 'SIGTERM' })
expectAssignable<Held<ChildProcess>>(exits)
expectError(exiting(child, { signal: 'SIGNAL' }))
const handlers = shutdownOnSignals(app, { signals: ['SIGTERM'], exit: false })
expectAssignable<Disposable>(handlers)
