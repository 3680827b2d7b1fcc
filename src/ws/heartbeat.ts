/**
 * Finds peers that vanished: nothing else does, because writes to one succeed for many minutes.
 */
import { closing, open, type WebSocketLike } from './web-socket.ts'

interface Listener {
  /** A peer that is not read from cannot answer. */
  paused(): boolean
  missed(ms: number): void
  /** The peer has begun to close, which no event tells. */
  closing(): void
}

export class Heartbeat {
  readonly #webSocket: WebSocketLike
  readonly #ms: number
  readonly #listener: Listener
  #timer: NodeJS.Timeout | undefined = undefined
  #awaiting = false

  /** @param ms milliseconds between pings; `0`: none */
  constructor(webSocket: WebSocketLike, ms: number, listener: Listener) {
    this.#webSocket = webSocket
    this.#ms = ms
    this.#listener = listener
  }

  start(): void {
    if (this.#ms > 0) this.#timer ??= setInterval(() => this.#beat(), this.#ms).unref()
  }

  answered(): void {
    this.#awaiting = false
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #beat(): void {
    const { readyState } = this.#webSocket
    if (readyState === closing) this.#listener.closing()
    if (readyState !== open) return
    if (this.#awaiting && !this.#listener.paused()) {
      this.#listener.missed(this.#ms)
      return
    }
    this.#awaiting = true
    this.#webSocket.ping()
  }
}
