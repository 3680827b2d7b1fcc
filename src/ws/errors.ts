/**
 * How a socket says that it is of no use any more: closed by somebody, broken off, overfull, or never there.
 */
import { named, UnwindError } from '../core/errors/errors.ts'

/** `ERR_SOCKET_CLOSED`: something was sent on a socket that was closed. */
export class SocketClosedError extends UnwindError {
  override readonly code = 'ERR_SOCKET_CLOSED'
}

/** `ERR_SOCKET_BROKEN`: the peer broke off: no close frame, a missed heartbeat, a frame that is not valid. */
export class SocketBrokenError extends UnwindError {
  override readonly code = 'ERR_SOCKET_BROKEN'
}

/** `ERR_SOCKET_OVERFLOW`: the peer left more than `maxBuffered` bytes unread, and the socket was terminated. */
export class SocketOverflowError extends UnwindError {
  override readonly code = 'ERR_SOCKET_OVERFLOW'
}

/** `ERR_SOCKET_CONNECT`: the connection could not be made; `cause` says why. */
export class SocketConnectError extends UnwindError {
  override readonly code = 'ERR_SOCKET_CONNECT'
}

named({ SocketClosedError, SocketBrokenError, SocketOverflowError, SocketConnectError })
