/** Moments between others: turns of the microtask queue, and among them some of the event loop. */
import { setImmediate as turn } from 'node:timers/promises'

export function abortingAt(count: number): AbortSignal {
  const controller = new AbortController()
  void turns(count).then(() => controller.abort(new Error('the signal')))
  return controller.signal
}

/** Of the microtask queue; the last one lets the rest of the process go on. */
export async function turns(count: number): Promise<void> {
  for (let left = count; left > 0; left -= 1) await (left % 5 === 0 ? turn() : undefined)
}

export async function readAll(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const _each of stream);
}
