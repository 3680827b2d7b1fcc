/**
 * One WebSocket with an end: every listener is there from the first moment, so no message is lost and no frame of the
 * peer can crash the process; every wait for the peer has a bound.
 */
import { ignore, isEcho, isObject } from '../core/dispose.ts'
import { unhurried } from '../core/deadline.ts'
import { holds } from '../core/errors/attempt.ts'
import { isAggregate, isError } from '../core/errors/format.ts'
import { expected } from '../core/options.ts'
import { isSuppressedError } from '../core/standard/suppressed-error.ts'
import { SocketBrokenError, SocketClosedError, SocketOverflowError } from './errors.ts'
import { Heartbeat } from './heartbeat.ts'
import { Inbox } from './inbox.ts'
import type { Socket, SocketClose, SocketOptions } from './socket.ts'
import {
  abnormal,
  closed,
  closeMistake,
  closing,
  connecting,
  normal,
  open,
  sendableCode,
  sendableReason,
  type WebSocketLike,
} from './web-socket.ts'

/** How the end of a peer without a close frame is called: by those who serve it, and by those whom it serves. */
export type Broken = (message: string, options?: ErrorOptions) => Error

export const brokenError: Broken = (message, options) => new SocketBrokenError(message, options)

/** Who said it: that another socket was closed says nothing of this one. */
const sayers = new WeakMap<object, Connection>()

export class Connection implements Socket, AsyncDisposable {
  /** Resolves once the handshake that opens the connection is over: whether it was opened. */
  readonly opened: Promise<boolean>
  readonly closed: Promise<SocketClose>
  /** Called once, with the error, when the peer broke off. */
  onBroken: ((error: Error) => void) | undefined = undefined
  #state: Socket['state'] = 'open'
  readonly #webSocket: WebSocketLike
  readonly #broken: Broken
  readonly #grace: number
  readonly #maxBuffered: number
  readonly #inbox: Inbox<string | Uint8Array>
  readonly #heartbeat: Heartbeat
  readonly #unsent = new Set<(error: unknown) => void>()
  #controller: AbortController | undefined = undefined
  #error: Error | undefined = undefined
  #termination: NodeJS.Timeout | undefined = undefined
  /** How many wait with something to send until it is open. */
  #early = 0
  #detach: () => void
  #resolveOpened: (opened: boolean) => void = ignore
  #resolveClosed: (close: SocketClose) => void = ignore

  constructor(webSocket: WebSocketLike, options: SocketOptions | undefined, broken: Broken) {
    this.#webSocket = webSocket
    this.#broken = broken
    this.#grace = options?.grace ?? 1_000
    this.#maxBuffered = options?.maxBuffered ?? 16 * 1024 * 1024
    this.#inbox = new Inbox(webSocket, options?.highWater ?? 64)
    this.#heartbeat = new Heartbeat(webSocket, options?.heartbeat ?? 30_000, {
      paused: () => this.#inbox.paused,
      missed: (ms) => this.#break(`did not answer a ping within ${ms} ms`),
      closing: () => this.#terminateAfter(this.#grace),
    })
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve
    })
    this.opened = new Promise((resolve) => {
      this.#resolveOpened = resolve
    })
    webSocket.binaryType = 'nodebuffer'
    this.#detach = listen(webSocket, {
      open: () => this.#begin(),
      message: (data: Uint8Array, binary: boolean) => this.#received(data, binary),
      pong: () => this.#heartbeat.answered(),
      error: (error: Error) => this.#failed(error),
      close: (code: number, reason: Uint8Array) => this.#ended(code, reason),
    })
    if (webSocket.readyState === open) this.#begin()
    if (webSocket.readyState === closed) this.#finish(abnormal, '')
  }

  /** No event tells that the peer has begun to close. */
  get state(): Socket['state'] {
    return this.#state === 'open' && this.#webSocket.readyState === closing
      ? 'closing'
      : this.#state
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    if (this.#state === 'closed' || this.#error !== undefined)
      this.#controller.abort(this.#reason())
    return this.#controller.signal
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<string | Uint8Array, undefined> {
    return this.#inbox.iterate()
  }

  send(data: string | Uint8Array): Promise<void> {
    const sending = this.#send(data)
    sending.catch(ignore)
    return sending
  }

  close(code: number = normal, reason: string = ''): Promise<SocketClose> {
    if (this.#state !== 'open') return this.closed
    const mistake = closeMistake(code, reason)
    if (mistake !== undefined) return Promise.reject(mistake)
    this.#state = 'closing'
    // Paused, the socket would not see the close frame of the peer.
    this.#inbox.end()
    if (this.#webSocket.readyState === connecting) this.#webSocket.terminate()
    else this.#webSocket.close(sendableCode(code), sendableReason(reason))
    this.#terminateAfter(this.#grace)
    return this.closed
  }

  /** Close, and drop what was not read. */
  async dispose(code: number): Promise<void> {
    this.#inbox.clear()
    await this.close(code)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose(normal)
  }

  /** End the reading with `error`, once what was kept has been read; the rest of the socket goes on. */
  interrupt(error: unknown): void {
    this.#inbox.fail(error)
  }

  /** What broke the connection. */
  get error(): Error | undefined {
    return this.#error
  }

  /** Whether `error`, or each of which it is made, is how this socket says that it is of no use any more. */
  says(error: unknown): boolean {
    // It may be made of itself.
    return holds(() => this.#says(error))
  }

  #says(error: unknown): boolean {
    if (isSuppressedError(error)) return this.#says(error.error) && this.#says(error.suppressed)
    if (isError(error) && isAggregate(error) && error.errors.length > 0)
      return error.errors.every((one) => this.#says(one))
    if (isObject(error) && sayers.get(error) === this) return true
    return this.signal.aborted && isEcho(error, this.signal.reason)
  }

  #begin(): void {
    this.#heartbeat.start()
    this.#resolveOpened(true)
  }

  async #send(data: string | Uint8Array): Promise<void> {
    if (typeof data !== 'string' && !(data instanceof Uint8Array)) {
      throw expected('the data given to send()', 'a string or a Uint8Array', data)
    }
    if (this.#webSocket.readyState === connecting || this.#early > 0) {
      // Who comes when it has just opened stands behind those who came before.
      this.#early += 1
      await this.opened
      this.#early -= 1
    }
    if (this.#state !== 'open') throw this.#reason()
    if (this.#webSocket.readyState !== open) {
      // The peer has begun to close. To the driver it would count as unsent, and look like a peer that does not read.
      await new Promise((_resolve, reject) => this.#unsent.add(reject))
    }
    const unsent = this.#webSocket.bufferedAmount + Buffer.byteLength(data)
    if (unsent > this.#maxBuffered) throw this.#overflow(unsent)
    await this.#hand(data)
  }

  /** What was under way when the connection ended is rejected then: not every implementation calls back for it. */
  #hand(data: string | Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#unsent.add(reject)
      this.#webSocket.send(data, (error) => {
        // What it was is known when the connection has ended, which follows.
        if (error) return
        this.#unsent.delete(reject)
        this.#heartbeat.sent()
        resolve()
      })
    })
  }

  #overflow(unsent: number): Error {
    const error = new SocketOverflowError(
      `The peer of the socket reads too slowly: ${unsent} bytes would be waiting, and maxBuffered is ${this.#maxBuffered}. The socket was terminated. Await send() before you send more, or raise maxBuffered.`,
    )
    this.#break('read too slowly', { cause: error })
    return error
  }

  #received(data: Uint8Array, binary: boolean): void {
    if (this.#state !== 'open') return
    this.#heartbeat.answered()
    this.#inbox.put(binary ? data : data.toString())
  }

  /** The driver has answered a bad frame with a close frame, and would wait for the peer's for half a minute. */
  #failed(cause: Error): void {
    if (this.#state === 'open') this.#break(`broke off: ${cause.message}`, { cause }, this.#grace)
  }

  /** The connection is of no use any more. Its 'close' follows, at the latest after `grace` milliseconds. */
  #break(how: string, options?: ErrorOptions, grace: number = 0): void {
    if (this.#state !== 'open') return
    this.#state = 'closing'
    const error = this.#broken(`The peer of the socket ${how}.`, options)
    this.#error = error
    this.#inbox.fail(error)
    this.#terminateAfter(grace)
    this.#controller?.abort(error)
    this.onBroken?.(error)
  }

  #ended(code: number, reason: Uint8Array): void {
    if (code === abnormal) this.#break('broke off without a close frame')
    this.#finish(code, reason.toString())
  }

  #finish(code: number, reason: string): void {
    this.#heartbeat.stop()
    clearTimeout(this.#termination)
    this.#inbox.end()
    this.#state = 'closed'
    this.#detach()
    // One for all: what fails side by side for one reason is one failure.
    const why = this.#reason()
    for (const reject of this.#unsent) reject(why)
    this.#unsent.clear()
    this.#controller?.abort(why)
    this.#resolveOpened(false)
    this.#resolveClosed({ code, reason, clean: code !== abnormal && this.#error === undefined })
  }

  #terminateAfter(ms: number): void {
    const terminate = (): void => this.#webSocket.terminate()
    if (ms === 0) terminate()
    else this.#termination ??= unhurried(setTimeout(terminate, ms))
  }

  #reason(): Error {
    if (this.#error !== undefined) return this.#error
    const error = new SocketClosedError(
      'The socket was closed. Send before it closes; its signal and the end of its messages say when that is.',
    )
    sayers.set(error, this)
    return error
  }
}

/** Attach all of `listeners`; call the result to take them off again. */
function listen(
  webSocket: WebSocketLike,
  listeners: Readonly<Record<string, (...parameters: never[]) => void>>,
): () => void {
  const entries = Object.entries(listeners)
  for (const [event, listener] of entries) webSocket.on(event, listener)
  return () => {
    for (const [event, listener] of entries) webSocket.off(event, listener)
  }
}
