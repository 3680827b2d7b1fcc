/**
 * A source into a response: no faster than the client reads, and no longer than it stays. When `pump` settles, the
 * producer has ended, whatever happened.
 */
import type { ServerResponse } from 'node:http'
import { cut } from './failure.ts'
import { bytesOf, giveUp, type Source } from './source.ts'

/**
 * Rejects with what the source, its cancelling or `begin` fails with, or with the reason of `signal`; aborting that
 * cancels the source and cuts the answer at once.
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
    cancelling = source.cancel(signal.reason)
    cancelling.catch(ignore)
    // Wakes whoever waits for the client to read on.
    cut(response)
  }
  signal.addEventListener('abort', stop, { once: true })
  try {
    begin()
    await pour(source, response, signal)
  } catch (error) {
    const failure: unknown = signal.aborted ? signal.reason : error
    await giveUp(failure, cancelling ?? source.cancel(failure))
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

function ignore(): void {}
