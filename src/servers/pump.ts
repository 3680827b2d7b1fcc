/**
 * A source into a response: no faster than the client reads, and no longer than it stays. When `pump` settles, the
 * producer has ended, whatever happened.
 */
import type { ServerResponse } from 'node:http'
import { suppress } from '../core/dispose.ts'
import { cut } from './failure.ts'
import { bytesOf, type Source } from './source.ts'

/**
 * Rejects with what the source or its cancelling fails with, or with the reason of `signal`; aborting that cancels the
 * source and cuts the answer at once.
 */
export async function pump(
  source: Source,
  response: ServerResponse,
  signal: AbortSignal,
): Promise<void> {
  let cancelling: Promise<unknown> | undefined
  const stop = (): void => {
    cancelling = source.cancel(signal.reason)
    cancelling.catch(ignore)
    // Wakes whoever waits for the client to read on.
    cut(response)
  }
  signal.addEventListener('abort', stop, { once: true })
  try {
    await pour(source, response, signal)
  } catch (error) {
    const failure: unknown = signal.aborted ? signal.reason : error
    await settle(cancelling ?? source.cancel(failure), failure)
    throw failure
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

async function pour(source: Source, response: ServerResponse, signal: AbortSignal): Promise<void> {
  for (;;) {
    signal.throwIfAborted()
    const step = await source.next()
    signal.throwIfAborted()
    if (step.done === true) return
    if (!response.write(bytesOf(step.value))) await drained(response)
  }
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done)
      response.off('close', done)
      resolve()
    }
    response.on('drain', done)
    response.on('close', done)
    if (response.destroyed) done()
  })
}

/** A web stream that failed fails to be cancelled with the same error, which is none of its own. */
async function settle(cancelling: Promise<unknown>, failure: unknown): Promise<void> {
  try {
    await cancelling
  } catch (error) {
    if (error !== failure) throw suppress(error, failure)
  }
}

function ignore(): void {}
