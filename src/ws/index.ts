/**
 * `unwind/ws`: WebSockets that end. `ws` is an optional peer, imported only by `connect`.
 */
export { connect, type ConnectOptions } from './connect.ts'
export {
  SocketBrokenError,
  SocketClosedError,
  SocketConnectError,
  SocketOverflowError,
} from './errors.ts'
export { serveSockets, type WebSocketServerLike } from './serve.ts'
export { socket, type Socket, type SocketClose, type SocketOptions } from './socket.ts'
