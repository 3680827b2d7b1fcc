/**
 * A source into a response: no faster than the client reads, and no longer than it stays. When `pump` settles, the
 * producer has ended, whatever happened.
 */
import type { ServerResponse } from 'node:http'
import { ignore } from '../core/dispose.ts'
import { cut, hasClosed } from './failure.ts'
import { bytesOf, giveUp, type Source } from './source.ts'

/**
 * Rejects with what the source, its cancelling or `begin` fails with, or with the reason of `signal`; aborting that
 * cancels the source and cuts the answer at once. Where the client leaves and nothing is aborted, because the handler has
 * closed its scope, the source is cancelled, too, and that is all.
 * @param begin writes the head
 */
export async function pump(
  source: Source,
  response: ServerResponse,
  signal: AbortSignal,
  begin: () => void,
): Promise<void> {
  let cancelling: Promise<unknown> | undefined
  const stop = (): void => {
    if (cancelling !== undefined) return
    cancelling = source.cancel(signal.reason)
    cancelling.catch(ignore)
    // Wakes whoever waits for the client to read on.
    cut(response)
  }
  signal.addEventListener('abort', stop, { once: true })
  response.on('close', stop)
  try {
    signal.throwIfAborted()
    begin()
    if (hasClosed(response)) stop()
    await pour(source, response, () => cancelling !== undefined)
    signal.throwIfAborted()
    await cancelling
  } catch (error) {
    const failure: unknown = signal.aborted ? signal.reason : error
    const isLeft = cancelling !== undefined && !signal.aborted
    await (isLeft ? cancelling : giveUp(failure, cancelling ?? source.cancel(failure)))
  } finally {
    signal.removeEventListener('abort', stop)
    response.off('close', stop)
  }
}

async function pour(
  source: Source,
  response: ServerResponse,
  isStopped: () => boolean,
): Promise<void> {
  while (!isStopped()) {
    const step = await source.next()
    if (step.done === true || isStopped()) return
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
    if (hasClosed(response)) done()
  })
}
