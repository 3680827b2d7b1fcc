/**
 * A stream whose bytes are where they belong when it has been disposed, or whose disposal says that they are not. Node's
 * own disposal destroys it and loses what is not written yet.
 */
import { once } from 'node:events'
import { Writable, type Duplex, type Transform } from 'node:stream'
import { finished } from 'node:stream/promises'
import { DisposeTimeoutError } from '../core/errors/errors.ts'
import { hold } from '../core/lease.ts'
import { warnUnthrown } from '../core/misuse.ts'
import { checkOptions, expected, longestDelay, milliseconds } from '../core/options.ts'
import type { Held } from '../core/types.ts'

/**
 * Disposing ends the stream, waits until everything is written and the stream has closed, and rejects where that fails
 * or takes longer than `grace` (`ERR_DISPOSE_TIMEOUT`). A stream that had failed or was destroyed before is only
 * destroyed; an error that nobody else listened to until then is what disposing rejects with, instead of ending the
 * process. The output of a transform that nobody has begun to read stays in it to be read; where it cannot hold all of
 * it, disposing takes longer than `grace`.
 *
 * @example
 * ```ts
 * await using file = finishing(createWriteStream(path))
 * file.value.write(text)
 * ```
 * @param options.grace milliseconds before the stream is destroyed. Default 5_000.
 * @throws {TypeError} for unknown or wrong options
 */
export function finishing<W extends Writable>(stream: W, options?: { grace?: number }): Held<W> {
  if (!methods.every((name) => typeof stream?.[name] === 'function')) {
    throw expected('the first argument of finishing()', 'a writable stream', stream)
  }
  checkOptions('finishing()', options, { grace: milliseconds })
  const finish = new Finish(stream, options?.grace ?? 5_000)
  // The stream's own grace is the bound.
  const bound = { name: finish.name, disposeTimeout: longestDelay }
  return hold(stream, () => finish.run(), bound)
}

const methods = ['write', 'end', 'destroy', 'prependListener'] as const

/** Listeners of this file: who was given a stream twice is told twice, and nobody is told by that. */
const ours = new WeakSet<Function>()

class Finish {
  readonly name: string
  readonly #stream: Writable
  readonly #grace: number
  /** Its `error` event has come, or may have come before anybody could listen here. */
  #told: boolean
  #unheard: { readonly error: unknown } | undefined = undefined
  #state: 'open' | 'flushing' | 'over' | 'told' = 'open'

  constructor(stream: Writable, grace: number) {
    this.name = stream.constructor.name
    this.#stream = stream
    this.#grace = grace
    this.#told = failureOf(stream) !== undefined
    // First, so that it sees who else listens: a listener for one time is gone when it has been called.
    const listener = (error: unknown): void => this.#failed(error)
    ours.add(listener)
    stream.prependListener('error', listener)
  }

  async run(): Promise<void> {
    const stream = this.#stream
    try {
      if (!isDestroyed(stream) && !this.#hasFailed()) await this.#flush()
      this.#throwUnheard()
    } finally {
      this.#state = 'over'
      if (!isLeftToReaders(stream)) stream.destroy()
    }
  }

  async #flush(): Promise<void> {
    const stream = this.#stream
    this.#state = 'flushing'
    const overdue = new AbortController()
    const timer = setTimeout(() => overdue.abort(), this.#grace)
    const { signal } = overdue
    try {
      if (!stream.writableEnded) stream.end()
      // Nobody reads what comes: the other side may wait for that before it takes more, and the end comes after it.
      if (isUnread(stream) && !isTransform(stream) && !isOfHttp2(stream)) stream.resume()
      // An answer of HTTP looks readable too, and without that side counts as finished when it was ended.
      const side = isDuplex(stream) ? { readable: false } : {}
      await finished(stream, { ...side, cleanup: true, signal })
      await otherSide(stream, signal)
    } catch (error) {
      if (!signal.aborted) throw error
      // Else everything is out, and only the other side has not ended.
      if (holdsBack(stream)) throw new DisposeTimeoutError(this.name, this.#grace, 'grace')
    } finally {
      clearTimeout(timer)
    }
  }

  #failed(error: unknown): void {
    this.#told = true
    if (this.#unheard?.error === error || this.#state === 'told' || this.#isHeard()) return
    if (this.#state !== 'over') {
      this.#unheard = { error }
      return
    }
    // Once: of the standard output and the like, which go on after their end, every later write fails, also of a warning.
    this.#state = 'told'
    warnUnthrown(error, this.name)
  }

  /**
   * Whoever pipes into the stream listens too, each with a listener for `unpipe`, but tells nobody. While it is flushed
   * we are told, whoever else is.
   */
  #isHeard(): boolean {
    if (this.#state === 'flushing') return false
    const pipes = this.#stream.listenerCount('unpipe')
    return this.#stream.listeners('error').filter((one) => !ours.has(one)).length > pipes
  }

  /** Some streams emit an error and say nothing of it otherwise. */
  #hasFailed(): boolean {
    return failureOf(this.#stream) !== undefined || this.#unheard !== undefined
  }

  #throwUnheard(): void {
    const failure = failureOf(this.#stream)
    // It failed in this turn: its event is still to come, unless it is lost when the stream is destroyed.
    if (!this.#told && failure !== undefined) this.#unheard = { error: failure }
    if (this.#unheard !== undefined) throw this.#unheard.error
  }
}

/** Streams that are not Node's own, such as those of older versions of readable-stream, do not say. */
function failureOf(stream: Writable): Error | undefined {
  return stream.errored ?? undefined
}

/** A socket that is destroyed before the other side has ended, or a request before its answer, may take back what it sent. */
async function otherSide(stream: Writable, signal: AbortSignal): Promise<void> {
  if (stream.destroyed || isLeftToReaders(stream)) return
  if (isUnread(stream)) stream.resume()
  if (isDuplex(stream) && stream.readable) await finished(stream, { cleanup: true, signal })
  else if (isRequest(stream)) await once(stream, 'close', { signal })
  else if (isAnswerOfHttp2(stream)) checkDelivered(stream)
}

/** Of the compatibility API, which says that it has finished whatever became of it: only its stream knows more. */
function checkDelivered({ stream: { rstCode } }: AnswerOfHttp2): void {
  if (rstCode !== 0) throw new Error(`The answer was cut off with the code ${rstCode} of HTTP/2.`)
}

function isDestroyed(stream: Writable): boolean {
  return isAnswerOfHttp2(stream) ? stream.stream.destroyed : stream.destroyed
}

/** A transform has taken everything, and nobody reads yet: what came out waits in it for whoever will, and then it ends. */
function isLeftToReaders(stream: Writable): boolean {
  if (!isTransform(stream) || !isUnread(stream)) return false
  return stream.writableFinished && stream.readableLength > 0 && !stream.errored
}

/** Of a transform, what comes out is what was written. */
function holdsBack(stream: Writable): boolean {
  return !stream.writableFinished || (isTransform(stream) && stream.readableLength > 0)
}

function isDuplex(stream: Writable): stream is Duplex {
  return 'readableFlowing' in stream
}

function isUnread(stream: Writable): stream is Duplex {
  return isDuplex(stream) && stream.readableFlowing === null
}

function isTransform(stream: Writable): stream is Transform {
  return isDuplex(stream) && '_transform' in stream
}

/** It closes once both sides have ended, before Node.js 26 without a word about what it wrote: that goes first. */
function isOfHttp2(stream: Writable): boolean {
  return 'rstCode' in stream
}

type AnswerOfHttp2 = Writable & { readonly stream: Writable & { readonly rstCode: number } }

function isAnswerOfHttp2(stream: Writable): stream is AnswerOfHttp2 {
  return 'stream' in stream && stream.stream instanceof Writable && isOfHttp2(stream.stream)
}

/** Of a client of HTTP. */
function isRequest(stream: Writable): boolean {
  return 'reusedSocket' in stream
}
