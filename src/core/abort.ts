/**
 * How an abort travels: from a scope to its own signal, to what it acquires, to its tasks, to its children; never up.
 * Listeners inherit the context of whoever aborts, so that is always the scope's own.
 */
import { Cancellation } from './cancellation.ts'
import { childrenOf, type Family } from './children.ts'
import type { Completion } from './completion.ts'
import { suppress } from './dispose.ts'
import { callInFrame, type Ambient, type Frame } from './context.ts'
import type { Holdings } from './holdings.ts'
import type { Tasks } from './tasks.ts'
import type { ScopeOptions } from './types.ts'

/** Where a signal is kept, and its listeners are called. */
export interface Signalling extends Ambient {
  readonly frame: Frame
  readonly extended: { cancellation: Cancellation | undefined }
}

export interface Abortable extends Family<Abortable>, Signalling {
  readonly name: string
  completion: Completion
  readonly parent: { readonly deadline: number | undefined } | undefined
  readonly holdings: Holdings | undefined
  readonly tasks: Tasks | undefined
  abort(reason: unknown): void
}

export function cancellationOf(scope: Signalling): Cancellation {
  return (scope.extended.cancellation ??= new Cancellation())
}

/** Aborted from outside: the outcome can become `aborted`. */
export function request(scope: Abortable, reason: unknown): void {
  const cancellation = cancellationOf(scope)
  if (cancellation.cancelled) return
  cancellation.requested = true
  spread(scope, cancellation, reason)
}

/** Something in the scope failed, which aborts everything else in it. */
export function cancel(scope: Abortable, reason: unknown): void {
  const cancellation = cancellationOf(scope)
  if (!cancellation.cancelled) spread(scope, cancellation, reason)
}

/** The body's error, or that of `fail()`. */
export function settleFailure(scope: Abortable, error: unknown, thrown: boolean): void {
  const { requested, reason } = cancellationOf(scope)
  const completion = requested ? scope.completion.abort(reason) : scope.completion
  // An error announced by fail() came first; the one thrown after it is news unless it is the same.
  const news = completion.failed && error !== completion.error
  scope.completion = completion.fail(news ? suppress(error, completion.error) : error, thrown)
  cancel(scope, error)
}

/** Its signal alone: it closes while something is on its way that nobody will get, and whoever acquires that may stop. */
export function abortSignalOf(scope: Signalling, reason: unknown): void {
  const cancellation = cancellationOf(scope)
  if (!cancellation.cancelled) within(scope, () => cancellation.cancel(reason))
}

/** The app begins to shut down: everything below it learns of it. */
export function announceDrain(scope: Abortable, reason: unknown): void {
  const cancellation = cancellationOf(scope)
  within(scope, () => cancellation.drain(reason))
  for (const child of childrenOf(scope)) announceDrain(child, reason)
}

export function abortChildren(scope: Abortable, reason: unknown): void {
  for (const child of childrenOf(scope)) child.abort(reason)
}

/** The earlier of its own and its parent's deadline counts; only the earlier needs a timer. */
export function limit(scope: Abortable, { signal, timeout }: ScopeOptions): void {
  const inherited = scope.parent?.deadline ?? Infinity
  if (timeout !== undefined && Date.now() + timeout < inherited) {
    cancellationOf(scope).expireIn(timeout, scope, scope.name)
  }
  if (signal !== undefined) cancellationOf(scope).follow(signal, scope)
}

function spread(scope: Abortable, cancellation: Cancellation, reason: unknown): void {
  within(scope, () => cancellation.cancel(reason))
  scope.holdings?.giveUp(reason, cancellation.requested)
  scope.tasks?.stop(reason)
  abortChildren(scope, reason)
}

function within(scope: Signalling, body: () => void): void {
  callInFrame(scope.frame, scope, body)
}
