/**
 * Waiting with a way out: for one caller among several, for a body that ignores its abort, and for so long and no longer.
 */
import { after, whenAborted } from './deadline.ts'
import { AbandonedError } from './errors/errors.ts'

interface Abortable {
  readonly name: string
  readonly signal: AbortSignal
}

/**
 * `promise`, or what its caller ends the wait with; the others who wait for the same promise do not notice.
 * @param watch is given what ends it, with an error or a result, and gives what is called once nobody waits any more
 */
export function escapable<T>(
  promise: Promise<T>,
  watch: (giveUp: (error: unknown) => void, end: (result: T) => void) => () => void,
): Promise<T> {
  const { promise: waiting, resolve, reject } = Promise.withResolvers<T>()
  const stop = watch(reject, resolve)
  promise.then(resolve, reject)
  // Not with `promise`, which may never settle. Nobody may be waiting any more: that is no reason for an unhandled rejection.
  waiting.then(stop, stop)
  return waiting
}

/**
 * The result of what is running in `scope`, or an AbandonedError `ms` milliseconds after that was aborted.
 * @param onLate takes the error of what fails after all
 */
export function abandonable<R>(
  running: Promise<R>,
  scope: Abortable,
  ms: number,
  onLate?: (error: unknown) => void,
): Promise<R> {
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
export function within(
  ms: number,
  promise: Promise<unknown>,
  signal?: AbortSignal,
): Promise<boolean> {
  const settled = promise.then(() => true)
  return escapable(settled, (_fail, end) => {
    const giveUp = (): void => end(false)
    const stopTimer = after(ms, giveUp)
    const stopListening = signal && whenAborted(signal, giveUp)
    return () => {
      stopTimer()
      stopListening?.()
    }
  })
}

function abandonedError(scope: Abortable, ms: number): AbandonedError {
  return new AbandonedError(
    `What ran in the scope "${scope.name}" went on for ${ms} ms after its abort and was abandoned; what it held was taken away. Pass the signal to what it waits for.`,
    { cause: scope.signal.reason },
  )
}
