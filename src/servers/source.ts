/**
 * Anything that yields an answer piece by piece, under one face: Node streams, web streams, async iterables. Cancelling
 * one settles when its producer has ended.
 */
import { Readable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { ignore, isObject, suppress } from '../core/dispose.ts'
import { expected } from '../core/options.ts'
import type { SourceFailure } from './sources.ts'

type Step = IteratorResult<unknown, unknown>

export interface Source {
  readonly next: () => Promise<Step>
  readonly cancel: (reason: unknown) => Promise<unknown>
}

/** The source that `value` is, if it is one. */
export function sourceOf(value: object): Source | undefined {
  if (value instanceof Readable) return ofReadable(value)
  if (isWebStream(value)) return ofWebStream(value)
  if (isAsyncIterable(value)) return ofIterable(value)
  return undefined
}

/** The source of the body of a `Response`, if it has one. */
export function bodyOf({ body }: Response): Source | undefined {
  return body === null ? undefined : sourceOf(body)
}

/** An answer that had ended when somebody looked, or a source that begins where `source` began. */
export type Opened = { readonly whole: true; readonly body: Buffer<ArrayBuffer> } | OpenedSource
interface OpenedSource {
  readonly whole: false
  /** Its first piece is there. */
  readonly begun: boolean
  readonly source: Source
}

/** Bytes that are looked at before an answer counts as one that is streamed. */
const glance = 64 * 1024

/**
 * Look at what `source` yields at once, before anything is sent: a body that has ended by then is an answer like any
 * other, and an error by then can still be answered. That is so for a `Response` made of a string. Rejects once the
 * source has ended.
 */
export async function open(source: Source): Promise<Opened> {
  try {
    return await glanceAt(source)
  } catch (error) {
    return await giveUp(error, source.cancel(error))
  }
}

/** Rejects with `failure`, for which a source is being cancelled, and with what it fails with by itself meanwhile. */
export async function giveUp(failure: unknown, cancelling: Promise<unknown>): Promise<never> {
  try {
    await cancelling
  } catch (error) {
    // A web stream that failed fails to be cancelled with the same error, which is none of its own.
    if (error !== failure) throw suppress(error, failure)
  }
  throw failure
}

async function glanceAt(source: Source): Promise<Opened> {
  const turn = nextTurn()
  const steps: Promise<Step>[] = []
  const pieces: Uint8Array[] = []
  for (let bytes = 0; bytes <= glance;) {
    const step = source.next()
    steps.push(step)
    const arrived = await Promise.race([step, turn])
    if (arrived === undefined) break
    if (arrived.done === true) return { whole: true, body: Buffer.concat(pieces) }
    const piece = Buffer.from(bytesOf(arrived.value))
    bytes += piece.length
    pieces.push(piece)
  }
  const next = (): Promise<Step> => steps.shift() ?? source.next()
  return { whole: false, begun: pieces.length > 0, source: { ...source, next } }
}

/**
 * The pieces of `source`; it is cancelled with whoever reads them, who waits for that. No generator: one that was never
 * started would not run its `finally`.
 * @param onEnd called once, when the producer has ended
 */
export function piecesOf(
  source: Source,
  onEnd: (failure?: SourceFailure) => void = ignore,
): AsyncIterable<unknown> {
  let over = false
  // A read that is pending when its stream is cancelled ends at once, and the producer does not.
  let cancelled = false
  const end = (failure?: SourceFailure): void => {
    if (!over) onEnd(failure)
    over = true
  }
  const next = async (): Promise<Step> => {
    try {
      const step = await source.next()
      if (step.done === true && !cancelled) end()
      return step
    } catch (error) {
      end({ error, unheard: true })
      throw error
    }
  }
  const cancel = async (reason: unknown): Promise<Step> => {
    cancelled = true
    try {
      await source.cancel(reason)
    } finally {
      end()
    }
    return { done: true, value: undefined }
  }
  return { [Symbol.asyncIterator]: () => ({ next, return: cancel }) }
}

/** @throws {TypeError} for what is neither text nor bytes */
export function bytesOf(chunk: unknown): string | Uint8Array {
  if (typeof chunk === 'string' || chunk instanceof Uint8Array) return chunk
  if (ArrayBuffer.isView(chunk)) {
    return new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength)
  }
  if (chunk instanceof ArrayBuffer) return new Uint8Array(chunk)
  throw expected('a piece of a streamed answer', 'a string or bytes', chunk)
}

function nextTurn(): Promise<undefined> {
  return new Promise((resolve) => {
    setImmediate(() => resolve(undefined))
  })
}

function ofReadable(stream: Readable): Source {
  const iterator: AsyncIterator<unknown, unknown> = stream[Symbol.asyncIterator]()
  const ended = finished(stream, { writable: false, cleanup: true })
  // It rejects for a stream that is cancelled, and what the stream fails with is thrown by `next`.
  const closed = ended.then(ignore, ignore)
  return {
    next: () => iterator.next(),
    cancel: () => {
      stream.destroy()
      return closed
    },
  }
}

function ofWebStream(stream: ReadableStream<unknown>): Source {
  const reader = stream.getReader()
  return {
    next: async () => {
      const { done, value } = await reader.read()
      return done ? { done: true, value: undefined } : { done: false, value }
    },
    cancel: (reason) => reader.cancel(reason),
  }
}

function ofIterable(iterable: AsyncIterable<unknown>): Source {
  const iterator = iterable[Symbol.asyncIterator]()
  return {
    next: () => Promise.resolve(iterator.next()),
    // It may throw, and whoever cancels may be in a listener.
    cancel: async () => iterator.return?.(),
  }
}

function isWebStream(value: object): value is ReadableStream<unknown> {
  return 'getReader' in value && typeof value.getReader === 'function'
}

function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return isObject(value) && Symbol.asyncIterator in value
}
