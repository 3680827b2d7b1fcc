/**
 * How an abort travels: from a scope to its own signal, to what it acquires, to its tasks, to its children; never up.
 * Listeners inherit the context of whoever aborts, so that is always the scope's own.
 */
import { abortReason, Cancellation } from './cancellation.ts'
import { callInFrame } from './context.ts'
import type { ScopeNode } from './scope.ts'
import { childrenOf, downFrom } from './tree.ts'
import type { ScopeOptions } from './types.ts'

export function cancellationOf(scope: ScopeNode): Cancellation {
  return (scope.extended.cancellation ??= new Cancellation())
}

/**
 * Call `onAbort`, a function of its own, when `scope` aborts, which it has not by now; call the result to call that off. As a
 * listener of its signal, without one: those two cost a request more than all else that its connection does.
 */
export function heed(scope: ScopeNode, onAbort: () => void): () => void {
  return cancellationOf(scope).heed(onAbort)
}

/**
 * Everything in the scope is told to stop, once.
 * @param requested from outside: the outcome can become `aborted`. Otherwise something in the scope failed.
 */
export function cancel(scope: ScopeNode, reason: unknown, requested: boolean): void {
  if (scope.aborted) return
  cancelAlone(scope, reason, requested)
  abortChildren(scope, reason)
}

function cancelAlone(scope: ScopeNode, reason: unknown, requested: boolean): void {
  const cancellation = cancellationOf(scope)
  cancellation.requested = requested
  inContextOf(scope, () => cancellation.cancel(reason))
  scope.holdings?.giveUp(reason, requested)
  scope.extras?.tasks?.stop(reason)
}

/** The body's error, or that of `fail()`. Who works in the scope is told of it next. */
export function settleFailure(scope: ScopeNode, error: unknown, thrown: boolean): void {
  const { requested = false, cause } = scope.cancellation ?? {}
  const completion = requested ? scope.completion.abort(cause?.reason) : scope.completion
  // An error announced by fail() came first.
  scope.completion = completion.failAgain(error, thrown)
}

/** Its signal alone: it closes while something is on its way that nobody will get, and whoever acquires that may stop. */
export function abortSignalOf(scope: ScopeNode, reason: unknown): void {
  const cancellation = cancellationOf(scope)
  if (cancellation.cause === undefined) inContextOf(scope, () => cancellation.cancel(reason))
}

/** The app begins to shut down: everything below it learns of it. */
export function announceDrain(scope: ScopeNode, reason: unknown): void {
  for (const at of downFrom(scope, childrenOf)) {
    const cancellation = cancellationOf(at)
    inContextOf(at, () => cancellation.drain(reason))
  }
}

/** All that is open below, and what is opened there from now on. */
export function abortBelow(scope: ScopeNode, reason: unknown): void {
  cancellationOf(scope).barred = { reason }
  abortChildren(scope, reason)
}

/** @param reason where a scope failed with `undefined`, what an abort without a reason has */
function abortChildren(scope: ScopeNode, reason: unknown = abortReason(scope.name)): void {
  if (scope.newestChild === undefined) return
  for (const at of downFrom(scope, abortableIn)) {
    if (at !== scope && isAbortable(at)) cancelAlone(at, reason, true)
  }
}

/** Below one that was aborted, its own reason is what is told: a listener of it may be aborting what is around it. */
function abortableIn(scope: ScopeNode): ScopeNode[] {
  return childrenOf(scope).filter(isAbortable)
}

function isAbortable({ state, aborted }: ScopeNode): boolean {
  return (state === 'open' || state === 'draining') && !aborted
}

/** The earlier of its own and its parent's deadline counts; only the earlier needs a timer. */
export function limit(scope: ScopeNode, { signal, timeout }: ScopeOptions): void {
  if (timeout !== undefined) {
    const now = Date.now()
    const inherited = scope.parent?.deadline ?? Infinity
    const deadline = Math.min(now + timeout, inherited)
    // One that has passed and aborted nothing is of before the clock was set forward: its timer comes when it would have.
    if (deadline < inherited || inherited < now) {
      cancellationOf(scope).expireIn(timeout, scope, deadline)
    }
  }
  if (signal !== undefined) cancellationOf(scope).follow(signal, scope)
}

function inContextOf(scope: ScopeNode, body: () => void): void {
  callInFrame(scope.frame, scope, body)
}
