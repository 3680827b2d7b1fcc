import type { IncomingMessage } from 'node:http'
import type { App, Scope } from 'unwind'
import {
  connect,
  serveSockets,
  socket,
  type SocketBrokenError,
  type SocketClosedError,
  type SocketConnectError,
  type SocketOverflowError,
  type ConnectOptions,
  type Socket,
  type SocketClose,
  type SocketOptions,
  type WebSocketServerLike,
} from 'unwind/ws'
import { expectAssignable, expectError, expectNotAssignable, expectNotType, expectType } from 'tsd'
import { WebSocket, WebSocketServer } from 'ws'

declare const app: App
declare const server: WebSocketServerLike
declare const held: Socket

// SocketOptions: all of them optional, numbers, and nothing else.
expectAssignable<SocketOptions>({})
expectAssignable<SocketOptions>({ grace: 1, heartbeat: 0, highWater: 1, maxBuffered: 1 })
expectNotAssignable<SocketOptions>({ grace: '1s' })
expectNotAssignable<SocketOptions>({ heartbeat: false })
expectNotAssignable<SocketOptions>({ highWater: undefined })

// socket()
declare const webSocket: WebSocket
const wrapped = socket(webSocket)
expectType<Socket & AsyncDisposable>(wrapped)
expectAssignable<AsyncDisposable>(wrapped)
// Closing waits for the peer, so that `using` would not.
expectNotAssignable<Disposable>(wrapped)
const withOptions = socket({}, { grace: 1, heartbeat: 0, highWater: 1, maxBuffered: 1 })
expectType<Socket & AsyncDisposable>(withOptions)
// A WebSocket, not the URL of one.
expectError(socket('ws://localhost'))
expectError(socket())
// No option of sockets.
expectError(socket({}, { timeout: 1 }))

// connect()
const connected = connect('ws://localhost')
expectType<Promise<Socket & AsyncDisposable>>(connected)
const { signal } = new AbortController()
const byUrl = connect(new URL('ws://localhost'), { signal, WebSocket, grace: 1, heartbeat: 0 })
expectType<Promise<Socket & AsyncDisposable>>(byUrl)
class Mine extends WebSocket {
  constructor(url: string | URL, mine?: { token: string }) {
    super(url, { headers: { authorization: mine?.token ?? '' } })
  }
}
expectAssignable<ConnectOptions>({ WebSocket: Mine })
expectAssignable<SocketOptions & { signal?: AbortSignal }>({} as ConnectOptions)
expectError(connect(1))
// The class, not an instance of it.
expectError(connect('ws://localhost', { WebSocket: webSocket }))
// Protocols belong to a class of one's own.
expectError(connect('ws://localhost', ['protocol']))

// Socket
const { state } = held
expectType<'open' | 'closing' | 'closed'>(state)
const aborts = held.signal
expectType<AbortSignal>(aborts)
expectType<Promise<SocketClose>>(held.closed)
expectError(() => {
  held.state = 'closed'
})
const sent = held.send('text')
expectType<Promise<void>>(sent)
const bytes = held.send(new Uint8Array())
expectType<Promise<void>>(bytes)
expectAssignable<Parameters<Socket['send']>[0]>(Buffer.from(''))
expectError(held.send(1))
expectError(held.send({ json: true }))
expectError(held.send(new ArrayBuffer(1)))
const closed = held.close(1000, 'bye')
expectType<Promise<SocketClose>>(closed)
const closedPlainly = held.close()
expectType<Promise<SocketClose>>(closedPlainly)
expectError(held.close('bye'))
expectAssignable<AsyncIterable<string | Uint8Array>>(held)
expectNotAssignable<Iterable<unknown>>(held)
// The socket that a handler is given is closed by its scope.
expectNotAssignable<AsyncDisposable>(held)
async function read(): Promise<void> {
  for await (const message of held) expectType<string | Uint8Array>(message)
}
expectType<() => Promise<void>>(read)

// SocketClose
declare const close: SocketClose
expectType<number>(close.code)
expectType<string>(close.reason)
expectType<boolean>(close.clean)
expectError(() => {
  close.code = 1000
})

// serveSockets()
expectAssignable<WebSocketServerLike>(new WebSocketServer({ noServer: true }))
const serving = serveSockets(app, server, async (each, scope, request) => {
  expectType<Socket>(each)
  expectType<Scope>(scope)
  expectType<IncomingMessage>(request)
  await each.send('hello')
})
expectType<AsyncDisposable>(serving)
expectNotType<Promise<AsyncDisposable>>(serving)
const served = serveSockets(app, new WebSocketServer({ port: 0 }), () => undefined, { grace: 1 })
expectType<AsyncDisposable>(served)
// A scope is no app.
expectError(serveSockets({} as Scope, server, () => undefined))
// A handler is no option.
expectError(serveSockets(app, server))
expectError(serveSockets(app, server, () => undefined, { signal }))
// No server of sockets.
expectError(serveSockets(app, {}, () => undefined))

// Errors: recognised by their code.
expectType<'ERR_SOCKET_BROKEN'>({} as unknown as SocketBrokenError['code'])
expectType<'ERR_SOCKET_CLOSED'>({} as unknown as SocketClosedError['code'])
expectType<'ERR_SOCKET_CONNECT'>({} as unknown as SocketConnectError['code'])
expectType<'ERR_SOCKET_OVERFLOW'>({} as unknown as SocketOverflowError['code'])
