/**
 * Waiting with a way out: for one caller among several, and for a body that ignores its abort.
 */
import { after } from './deadline.ts'
import { AbandonedError } from './errors.ts'
import type { MaybePromise } from './types.ts'

interface Abortable {
  readonly name: string
  readonly signal: AbortSignal
}

/** `promise`, or a rejection with the signal's reason; the others who wait for the same promise do not notice. */
export function withSignal<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const waiting = new Promise<T>((resolve, reject) => {
    const giveUp = (): void => reject(signal.reason as Error)
    if (signal.aborted) giveUp()
    signal.addEventListener('abort', giveUp, { once: true })
    const done = (): void => signal.removeEventListener('abort', giveUp)
    promise.then(resolve, reject).then(done, done)
  })
  // Nobody may be waiting any more: that is no reason for an unhandled rejection.
  waiting.catch(() => {})
  return waiting
}

/**
 * The result of `body`, or an AbandonedError `ms` milliseconds after the scope was aborted.
 * @param onLate takes the error of a body that fails after all
 */
export function abandonable<S extends Abortable, R>(
  scope: S,
  body: (scope: S) => MaybePromise<R>,
  ms: number,
  onLate?: (error: unknown) => void,
): Promise<R> {
  return new Promise<R>((resolve, reject) => {
    const { signal } = scope
    let stop = (): void => {}
    let abandoned = false
    const abandon = (): void => {
      abandoned = true
      reject(abandonedError(scope, ms))
    }
    const start = (): void => {
      stop = after(ms, abandon)
    }
    const done = (): void => {
      stop()
      signal.removeEventListener('abort', start)
    }
    signal.addEventListener('abort', start, { once: true })
    if (signal.aborted) start()
    callBody(scope, body).then(
      (value) => {
        done()
        resolve(value)
      },
      (error: unknown) => {
        done()
        if (abandoned) onLate?.(error)
        // Whatever was thrown is passed on.
        else reject(error)
      },
    )
  })
}

async function callBody<S, R>(scope: S, body: (scope: S) => MaybePromise<R>): Promise<R> {
  return await body(scope)
}

function abandonedError(scope: Abortable, ms: number): AbandonedError {
  return new AbandonedError(
    `What ran in the scope "${scope.name}" went on for ${ms} ms after its abort and was abandoned; what it held was taken away. Pass the signal to what it waits for.`,
    { cause: scope.signal.reason },
  )
}
