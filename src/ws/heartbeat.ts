/**
 * Finds peers that vanished: nothing else does, because writes to one succeed for many minutes.
 */
import { unhurried } from '../core/deadline.ts'
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
  /** What had come from the peer when it was pinged: an answer may stand behind a message of which a part has come since. */
  #heard: number | undefined = undefined
  /** At the last beat, data waited for the peer to read; and some of it has left since. */
  #crowded = false
  #moving = false
  /** How much the system had not taken of what was being written at the last beat. */
  #queued = 0

  /** @param ms milliseconds between pings; `0`: none */
  constructor(webSocket: WebSocketLike, ms: number, listener: Listener) {
    this.#webSocket = webSocket
    this.#ms = ms
    this.#listener = listener
  }

  start(): void {
    if (this.#ms > 0) this.#timer ??= unhurried(setInterval(() => this.#beat(), this.#ms))
  }

  /** The peer has said something: an answer may stand behind much that it says. */
  answered(): void {
    this.#awaiting = false
  }

  /** Data has left this process. */
  sent(): void {
    this.#moving = true
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #beat(): void {
    const { readyState } = this.#webSocket
    if (readyState === closing) this.#listener.closing()
    if (readyState !== open) return
    const excused = this.#isReading()
    if (!this.#isMissing()) this.#ping()
    // Where this process was late, the answer may have come: it is read before this.
    else if (!excused) setImmediate(() => this.#judge())
  }

  #ping(): void {
    this.#awaiting = true
    this.#heard = this.#webSocket._socket?.bytesRead
    this.#webSocket.ping()
  }

  #judge(): void {
    if (this.#isMissing() && this.#webSocket.readyState === open) this.#listener.missed(this.#ms)
  }

  #isMissing(): boolean {
    const isSilent = this.#awaiting && this.#webSocket._socket?.bytesRead === this.#heard
    return isSilent && !this.#listener.paused()
  }

  /** A peer that reads slowly what stands in front of the ping is alive. */
  #isReading(): boolean {
    const queued = this.#webSocket._socket?._handle?.writeQueueSize ?? 0
    const reading = this.#crowded && (this.#moving || queued < this.#queued)
    this.#queued = queued
    this.#crowded = this.#webSocket.bufferedAmount > 0
    this.#moving = false
    return reading
  }
}
