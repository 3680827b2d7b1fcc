/**
 * How a request ended: what its answer says of the outcome, and in words why it ended early.
 */
import type { IncomingMessage } from 'node:http'
import { holds } from '../core/errors/attempt.ts'
import { isEcho, isObject, primaryError } from '../core/dispose.ts'
import {
  AbandonedError,
  ClientDisconnectedError,
  ScopeIncompleteError,
  ShutdownError,
} from '../core/errors/errors.ts'
import type { Scope } from '../core/types.ts'
import { isCompleted, type Adapter } from './adapter.ts'
import type { Served } from './served.ts'

/** What a handler failed with, and whether that was after somebody else had aborted it. */
export interface Failure {
  readonly error: unknown
  readonly interrupted: boolean
}

/** The end of what `adapter` has called is that of the handler: nobody inside of it sees that. */
export function isSeenBy(adapter: Adapter, served: Served): boolean {
  return served.adapter === adapter && served.taken === undefined
}

/** Nothing is known to have failed. */
export function judge(served: Served): void {
  const { scope, response, status = response.statusCode } = served
  if (!isDoubted(served, status)) scope.complete()
  else if (status >= 500) scope.fail(answeredWith(scope, status))
}

/** Whether an answer of `status` is no sign of success: its making was not seen, and nobody said that the work is whole. */
export function isDoubted(
  { scope, adapter, seen }: Pick<Served, 'scope' | 'adapter' | 'seen'>,
  status: number,
): boolean {
  return !seen && status >= adapter.doubtedFrom && !isCompleted(scope)
}

/** Whether a scope that is closed was not closed by the handler, which says by `complete()` that its work is whole. */
export function isClosedByApp({ scope, adapter }: Served): boolean {
  return scope.signal.aborted || (adapter.app.state !== 'open' && !isCompleted(scope))
}

/** @throws why the result of the handler is not wanted any more, where it is not */
export function throwIfOvertaken({ scope, over, overtaken }: Served): void {
  if (over || !overtaken) return
  scope.signal.throwIfAborted()
  throw new ShutdownError(`The app closed while "${scope.name}" ran.`)
}

/** Whether its connection was taken over, as for a WebSocket: it is over when that closes, and no answer comes of it. */
export function isUpgraded(request: IncomingMessage): boolean {
  // Node.js says so, and its types do not.
  return (request as { readonly upgrade?: unknown }).upgrade === true
}

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

/** Whether a handler that was abandoned ends with its abort after all, which has been told. */
export function heedsAbort({ scope, failure }: Served, error: unknown): boolean {
  return failure?.error instanceof AbandonedError && isEcho(error, scope.signal.reason)
}

/** Whether `error` is no news: the request was interrupted before it failed with that. */
export function isInterruption(served: Served, error: unknown): boolean {
  const { failure, answeredFor } = served
  // That what was answered for had to be abandoned is news, and so is a failure of its own.
  if (answeredFor) return failure === undefined || (failure.interrupted && heedsEnd(served, error))
  return failure?.interrupted === true && primaryError(error) === failure.error
}

/** Whether that was told when somebody answered for the handler, which heeds its abort only now. */
export function isTold(served: Served, error: unknown): boolean {
  return served.answeredFor && error === primaryError(error) && isInterruption(served, error)
}

/** Whether a handler that was answered for fails with no more than that: with its abort, or because it answers as well. */
function heedsEnd({ scope }: Served, error: unknown): boolean {
  const answers = holds(() => isObject(error) && 'code' in error && sent.test(String(error.code)))
  return answers || isEcho(error, scope.signal.reason)
}

/** The codes that Node.js has where a head is set that was sent. */
const sent = /^ERR_HTTP2?_(HEADERS_SENT|INVALID_STREAM)$/

/** Whoever made the answer did not say what failed. */
export function answeredWith(scope: Scope, status: number): ScopeIncompleteError {
  return new ScopeIncompleteError(
    `"${scope.name}" was answered with ${status}, so what it began was not completed. Where it is whole all the same, call scope.complete() before the answer.`,
  )
}
