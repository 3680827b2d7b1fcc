/**
 * Why a request ended early, in words.
 */
import { AbandonedError, ClientDisconnectedError } from '../core/errors.ts'
import type { Scope } from '../core/types.ts'

export function disconnected(scope: Scope): ClientDisconnectedError {
  return new ClientDisconnectedError(
    `The client of "${scope.name}" left before its answer was finished.`,
  )
}

export function abandoned(scope: Scope, ms: number): AbandonedError {
  return new AbandonedError(
    `The handler of "${scope.name}" went on for ${ms} ms after its abort and was abandoned; what it held was taken away. Pass scope.signal to what it waits for.`,
    { cause: scope.signal.reason },
  )
}

/** Whoever made the answer did not say what failed. */
export function answeredWith(scope: Scope, status: number): Error {
  return new Error(
    `"${scope.name}" was answered with ${status}, so what it began was not completed. Where it is whole all the same, call scope.complete() before the answer.`,
  )
}
