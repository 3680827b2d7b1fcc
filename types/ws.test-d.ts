import type { App } from 'unwind'
import {
  connect,
  serveSockets,
  socket,
  type Socket,
  type SocketClose,
  type WebSocketServerLike,
} from 'unwind/ws'
import { expectAssignable, expectError, expectNotAssignable, expectType } from 'tsd'

declare const app: App
declare const server: WebSocketServerLike
declare const held: Socket

const wrapped = socket({}, { grace: 1, heartbeat: 0, highWater: 1, maxBuffered: 1 })
expectAssignable<Socket & AsyncDisposable>(wrapped)
expectError(socket({}, { timeout: 1 }))

const connected = connect('ws://localhost', { signal: new AbortController().signal })
expectAssignable<Promise<Socket & AsyncDisposable>>(connected)

const { state } = held
expectType<'open' | 'closing' | 'closed'>(state)
const sent = held.send('text')
expectType<Promise<void>>(sent)
expectError(held.send(1))
const closed = held.close(1000, 'bye')
expectType<Promise<SocketClose>>(closed)
expectAssignable<AsyncIterable<string | Uint8Array>>(held)
// The socket that a handler is given is closed by its scope.
expectNotAssignable<AsyncDisposable>(held)

const serving = serveSockets(app, server, async (each, scope) => {
  expectType<Socket>(each)
  scope.complete()
})
expectAssignable<AsyncDisposable>(serving)
