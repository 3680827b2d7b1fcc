/**
 * The life of a scope: open → draining → closing → closed. What is acquired in it is released when it closes, after its
 * children, in reverse order, each exactly once. A closed scope holds nothing, so whatever keeps it keeps nothing else.
 */
import { settleFailure } from './abort.ts'
import type { Completion, Failure } from './completion.ts'
import { ambient, enterOpening, outermostFrame } from './context.ts'
import { roughNow } from './deadline.ts'
import { detection } from './watching/detection.ts'
import { isEcho, promiseOf } from './dispose.ts'
import { drain } from './drain.ts'
import { scopeClosed } from './watching/events.ts'
import { reportOutliving } from './watching/held.ts'
import { noteOf } from './watching/notes.ts'
import { appClosed } from './watching/open-apps.ts'
import type { Extras } from './extras.ts'
import type { ScopeNode } from './scope.ts'
import { noteClosing } from './watching/sites.ts'
import { tellClosed } from './watching/telling.ts'
import { removeChild } from './tree.ts'
import type { MaybePromise, Scope } from './types.ts'
import { heard, heardFailure, unwindTo, whenEnded } from './unwinding.ts'
import { abandonable } from './waiting.ts'

export type Body<R> = (scope: Scope) => MaybePromise<R>

/** Run `body` in `scope`, which was opened here and now, and close it with the outcome. */
export function runIn<R>(scope: ScopeNode, body: Body<R>): Promise<R> {
  const { abandonAfter } = scope.settings
  if (detection.watching) noteClosing(scope, noteOf(scope)?.site)
  const bound = abandonAfter === undefined ? body : abandoning(scope, body, abandonAfter)
  return enterOpening(scope.frame, scope, follow<R>, bound)
}

/**
 * The promise that is given out is derived from the body's, which keeps the callers in the stack of whatever the body
 * throws. What listens to the body listens to the releases afterwards: most scopes need nothing else.
 */
function follow<R>(scope: ScopeNode, body: Body<R>): Promise<R> {
  const onFulfilled = (value: unknown): unknown =>
    scope.running ? bodySettled(scope, value, undefined) : heard(scope, 0)
  const onRejected = (error: unknown): unknown =>
    scope.running ? bodySettled(scope, undefined, { error }) : heardFailure(scope, 0, error)
  scope.running = true
  scope.onFulfilled = onFulfilled
  scope.onRejected = onRejected
  // What comes out in the end is what the body gave.
  return call(scope, body).then(onFulfilled, onRejected) as Promise<R>
}

/** The body's promise, or one for its value, that can be relied upon. */
function call<R>(scope: ScopeNode, body: Body<R>): Promise<R> {
  try {
    return promiseOf(body(scope)) as Promise<R>
  } catch (error) {
    // Whatever was thrown is passed on.
    return Promise.reject(error)
  }
}

function bodySettled(scope: ScopeNode, value: unknown, failure: Failure | undefined): unknown {
  scope.running = false
  if (scope.state !== 'open') return closedMeanwhile(scope, value, failure)
  if (failure === undefined) {
    scope.completion = scope.completion.succeed()
    if (park(scope)) return value
  } else settleFailure(scope, failure.error, true)
  return unwindTo(scope, value, drain(scope))
}

/** @returns whether streams keep it open */
function park(scope: ScopeNode): boolean {
  const { extras } = scope
  if (extras === undefined || extras.streams === 0 || extras.awaited || scope.aborted) return false
  extras.parked = true
  return true
}

/** Somebody else closed it. */
async function closedMeanwhile(
  scope: ScopeNode,
  value: unknown,
  failure: Failure | undefined,
): Promise<unknown> {
  await whenEnded(scope)
  if (failure !== undefined) throw failure.error
  return value
}

function abandoning<R>(scope: ScopeNode, body: Body<R>, ms: number): Body<R> {
  const onLate = (error: unknown): void => {
    if (!isEcho(error, scope.signal.reason)) scope.report(error, undefined, true)
  }
  return () => abandonable(call(scope, body), scope, ms, onLate)
}

export function finish(scope: ScopeNode): void {
  const { parent, extras, completion } = scope
  scope.state = 'closed'
  scope.closedAt = roughNow()
  scope.holdings = undefined
  scope.frame = outermostFrame
  scope.unwinding = undefined
  if (parent !== undefined) removeChild(parent, scope)
  if (scope.outside > 0) reportOutliving(scope)
  if (scopeClosed.hasSubscribers || detection.followed > 0) tellClosed(scope)
  if (parent === undefined) appClosed(scope)
  else parent.extras?.whenChildCloses?.(scope)
  if (extras !== undefined) finishExtras(extras, completion)
}

/** It holds nothing from now on. What was aborted stays aborted. */
function finishExtras(extras: Extras, { throws, error }: Completion): void {
  const { heir } = extras
  if (heir !== undefined && throws) heir.completion = heir.completion.inherit(error)
  extras.heir = undefined
  extras.cancellation?.release()
  extras.inputs = undefined
  extras.neededBy = undefined
  extras.tasks = undefined
  extras.parked = false
  extras.whenClosing?.()
  extras.whenClosing = undefined
  extras.whenChildCloses = undefined
}

/**
 * Whether closing would wait for the caller: a descendant, a task, or what already runs because it closes.
 * @param closing whether such a thing can be running
 */
export function awaitsCaller(scope: ScopeNode, closing: boolean): boolean {
  const caller = ambient()
  if (caller === undefined) return false
  // Scopes are nodes.
  const own = caller.scope as ScopeNode
  // What a closed scope left running is waited for by nobody; its body, by whoever runs that, or by a body around it.
  let isAwaited = !own.disposed || own.running
  if (own === scope) return isAwaited && (closing || caller.awaited === true)
  for (let at = own.parent; at !== undefined; at = at.parent) {
    if (at === scope) return isAwaited
    isAwaited ||= at.running
  }
  return false
}
