/**
 * What LISTEN brings, for as long as somebody wants it: a connection of its own, another one where that breaks, and a
 * gap where something may have been missed in between. Runs outside of every request.
 */
import { setTimeout as pause } from 'node:timers/promises'

import { whenAborted } from '../core/deadline.ts'
import type { Ticket } from '../core/watching/held.ts'
import { disposedError } from '../core/lease.ts'
import { outside } from './driver.ts'
import { ListeningConnection, type OwnClient } from './listening-connection.ts'
import { Notifications, Reading } from './notifications.ts'
import type { PgNotification, PgSubscription } from './held-types.ts'

interface Listening {
  readonly channel: string
  readonly maxQueue: number
  /** Milliseconds. */
  readonly heartbeat: number
  /** Milliseconds for each step of a connection. */
  readonly patience: number
  readonly open: () => OwnClient
}

/** Milliseconds, at most, before the second attempt to connect; twice as long after each that fails, up to `longest`. */
const base = 50
const longest = 5_000

export class Subscription implements PgSubscription, AsyncDisposable {
  readonly #listening: Listening
  readonly #queue: Notifications
  readonly #onEnd: (subscription: Subscription) => void
  readonly #ticket: Ticket | undefined
  readonly #stop = new AbortController()
  #connection: ListeningConnection | undefined = undefined
  /** Something may have been missed, and nobody was told. */
  #missed = false
  #ending: Promise<void> | undefined = undefined
  #forget: (() => void) | undefined = undefined

  constructor(
    listening: Listening,
    onEnd: (subscription: Subscription) => void,
    ticket: Ticket | undefined,
  ) {
    this.#listening = listening
    this.#queue = new Notifications(listening.maxQueue)
    this.#onEnd = onEnd
    this.#ticket = ticket
  }

  [Symbol.asyncIterator](): AsyncIterator<PgNotification, undefined> {
    return new Reading(this.#queue)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.end()
  }

  /** Listen. Rejects where the first connection fails, with the signal's reason, and where it was ended meanwhile. */
  async start(signal: AbortSignal | undefined): Promise<this> {
    this.#forget = signal && whenAborted(signal, () => void this.end())
    try {
      await outside(() => this.#connect())
    } catch (error) {
      // Where it was ended meanwhile, that is what closed its connection.
      if (!this.#stop.signal.aborted) {
        await this.end()
        throw error
      }
    }
    signal?.throwIfAborted()
    if (this.#stop.signal.aborted) throw disposedError('The subscription')
    outside(() => void this.#keepListening())
    this.#ticket?.held(this)
    return this
  }

  /** The loops that read it end. Resolves when its connection is closed. */
  end(): Promise<void> {
    this.#ending ??= this.#end()
    return this.#ending
  }

  async #end(): Promise<void> {
    this.#stop.abort()
    this.#queue.end()
    this.#forget?.()
    this.#onEnd(this)
    this.#ticket?.released()
    await outside(() => this.#connection?.close(true))
  }

  async #connect(): Promise<void> {
    const { open, heartbeat, channel, patience } = this.#listening
    const connection = new ListeningConnection(open(), heartbeat)
    // Before the first wait: from here on, an end can reach it.
    this.#connection = connection
    await connection.open(channel, patience, (payload) => {
      this.#tellMissed()
      this.#queue.put({ payload })
    })
    this.#tellMissed()
  }

  /** Only once it listens again, and before what that brings: whoever looks for what was missed sees all of it. */
  #tellMissed(): void {
    if (this.#missed) this.#queue.putGap()
    this.#missed = false
  }

  async #keepListening(): Promise<void> {
    const { signal } = this.#stop
    for (;;) {
      await this.#connection?.lost
      if (signal.aborted) return
      await this.#connection?.close(false)
      await this.#connectAgain(signal)
    }
  }

  async #connectAgain(signal: AbortSignal): Promise<void> {
    for (let most = 0; !signal.aborted; most = Math.min(longest, Math.max(base, most * 2))) {
      try {
        await pause(most * Math.random(), undefined, { signal })
        // Again at each attempt: one that fails may have brought something, and told of the gap before that.
        this.#missed = true
        await this.#connect()
        return
      } catch {
        // The next attempt will tell.
      }
    }
  }
}
