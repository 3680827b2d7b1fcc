/**
 * Waiting with a way out: for one caller among several, for a body that ignores its abort, and for so long and no longer.
 */
import { after, whenAborted } from './deadline.ts'
import { AbandonedError } from './errors/errors.ts'
import type { MaybePromise } from './types.ts'

interface Abortable {
  readonly name: string
  readonly signal: AbortSignal
}

/**
 * `promise`, or the error that its caller gives up with; the others who wait for the same promise do not notice.
 * @param watch is given what gives up, and gives what is called once nobody waits any more
 */
export function escapable<T>(
  promise: Promise<T>,
  watch: (giveUp: (error: unknown) => void) => () => void,
): Promise<T> {
  let stop = (): void => {}
  const waiting = new Promise<T>((resolve, reject) => {
    stop = watch(reject)
    promise.then(resolve, reject)
  })
  // Not with `promise`, which may never settle. Nobody may be waiting any more: that is no reason for an unhandled rejection.
  waiting.then(stop, stop)
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
  const running = callBody(scope, body)
  return escapable(running, (giveUp) => {
    let stopTimer = (): void => {}
    const stopListening = whenAborted(scope.signal, () => {
      stopTimer = after(ms, () => {
        giveUp(abandonedError(scope, ms))
        if (onLate !== undefined) running.catch(onLate)
      })
    })
    return () => {
      stopTimer()
      stopListening()
    }
  })
}

/**
 * Whether `promise` settled within `ms` milliseconds, and before `signal` aborts.
 * @throws what the promise rejects with
 */
export async function within(
  ms: number,
  promise: Promise<unknown>,
  signal?: AbortSignal,
): Promise<boolean> {
  let stop = (): void => {}
  const late = new Promise<boolean>((resolve) => {
    const giveUp = (): void => resolve(false)
    const stopTimer = after(ms, giveUp)
    const stopListening = signal && whenAborted(signal, giveUp)
    stop = (): void => {
      stopTimer()
      stopListening?.()
    }
  })
  try {
    return await Promise.race([late, promise.then(inTime)])
  } finally {
    stop()
  }
}

function inTime(): true {
  return true
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
