/**
 * The way down of a scope: its tasks settle, its children close, newest first, what is on its way arrives; then, and
 * only then, it is releasing.
 */
import { abortSignalOf, cancel, settleFailure } from './abort.ts'
import type { Completion } from './completion.ts'
import { enterFrame } from './context.ts'
import { detection } from './watching/detection.ts'
import { aggregate, isEcho } from './dispose.ts'
import { scopeClosed } from './misuse.ts'
import type { ScopeNode } from './scope.ts'
import { noteClosing } from './watching/sites.ts'
import { runningIn, type Tasks } from './tasks.ts'
import { tellIncomplete } from './watching/telling.ts'
import { releaseAll, unwind, whenEnded } from './unwinding.ts'
import { abandonable } from './waiting.ts'

/** Nobody has to be waited for before the first release. */
function isAlone({ newestChild, holdings, extras }: ScopeNode): boolean {
  return newestChild === undefined && holdings?.quiet !== false && extras?.tasks === undefined
}

/** No new work from now on. @returns a promise where some must end before the first release */
export function drain(scope: ScopeNode): Promise<void> | undefined {
  // First: whoever hears of an abort may close it, or what is around it, and it must close once.
  scope.state = 'draining'
  settleOutcome(scope)
  if (!isAlone(scope)) return untilQuiet(scope)
  scope.state = 'closing'
  return undefined
}

/** Who still works in it is told that it failed. And where nobody said how it ended, an abort says it, too. */
function settleOutcome(scope: ScopeNode): void {
  const { completion, cancellation } = scope
  const { status, error, reason } = completion
  if (status === 'failure') cancel(scope, error, false)
  else if (status === 'aborted') cancel(scope, reason, false)
  else if (status === 'unknown') {
    if (cancellation?.requested !== true) tellIncomplete(scope)
    else scope.completion = completion.abort(cancellation.cause?.reason)
  }
}

/** Close without a body. */
export function conclude(scope: ScopeNode): Promise<void> {
  if (detection.watching) noteClosing(scope, undefined)
  return enterFrame(scope.frame, scope, drainAndUnwind, scope, undefined)
}

function drainAndUnwind(scope: ScopeNode): Promise<void> {
  return unwind(scope, drain(scope))
}

/** Close at once a scope that succeeded, with nothing to release and nobody to wait for. @returns whether it was one */
export function concludeEmpty(scope: ScopeNode): boolean {
  const { state, newest, completion } = scope
  // Any other outcome is told first, and whoever hears of it may close the scope, or give it something to release.
  if (state !== 'open' || newest !== undefined || completion.status !== 'success') return false
  return isAlone(scope) && releaseAll(scope)
}

/** In a loop, because tasks and children may fork and open more until they end. */
async function untilQuiet(scope: ScopeNode): Promise<void> {
  for (;;) {
    const tasks = runningIn(scope)
    if (tasks !== undefined) {
      await settleTasks(scope, tasks)
      continue
    }
    // What tasks failed with came before what fails on the way out.
    addFailures(scope)
    const child = scope.newestChild
    if (child === undefined) break
    await closeChild(scope, child)
  }
  scope.state = 'closing'
  const { holdings } = scope
  if (holdings === undefined || holdings.quiet) return
  const closed = scopeClosed(scope, 'get()', undefined)
  if (holdings.acquiring) abortSignalOf(scope, closed)
  await holdings.settle(closed)
}

/** Tasks that ignore their abort are waited for as long as a body is. Those of an app are told by its end. */
async function settleTasks(scope: ScopeNode, tasks: Tasks): Promise<void> {
  const { name, kind, settings } = scope
  const { abandonAfter } = settings
  if (abandonAfter === undefined) {
    await tasks.settle()
    return
  }
  try {
    // Whether a task failed is asked later: the wait itself cannot fail late.
    const signal = kind === 'app' ? scope.draining : scope.signal
    await abandonable(tasks.settle(), { name, signal }, abandonAfter)
  } catch (error) {
    tasks.abandon()
    // What failed on its own account did so first.
    addFailures(scope)
    const { completion } = scope
    scope.completion = hasNews(completion) ? completion.add(error) : completion.fail(error, true)
  }
}

/**
 * A child that runs a body ends with it, and its error goes to whoever runs it; so with one that somebody closes, or a
 * server once its handler has ended.
 */
async function closeChild(scope: ScopeNode, child: ScopeNode): Promise<void> {
  // From here on nobody calls: a chain of scopes, each closed within its parent, may be longer than the stack is deep.
  await Promise.resolve()
  if (child.settings.serving && !child.running) await untilServed(child)
  if (child.running || child.state !== 'open') {
    child.extended.awaited = true
    await whenEnded(child)
    return
  }
  const { abandoned, error } = scope.completion
  // What was left behind may be using what that holds, too.
  if (abandoned) settleFailure(child, error, false)
  try {
    // Not `close()`: it would look for its caller in all scopes around it, and this one is the nearest.
    await conclude(child)
  } catch (failure) {
    scope.completion = scope.completion.add(failure)
  }
}

/** Its handler is waited for as a body is. */
async function untilServed(scope: ScopeNode): Promise<void> {
  // Who serves says how long.
  const abandonAfter = scope.settings.abandonAfter as number
  try {
    await abandonable(whenEnded(scope), scope, abandonAfter)
  } catch (error) {
    if (scope.state === 'open') {
      settleFailure(scope, error, false)
      scope.report(error, undefined, true)
    }
  }
}

/** The body's error and those of the tasks are siblings: one is thrown as it is, several as an AggregateError. */
function addFailures(scope: ScopeNode): void {
  const failures = scope.extras?.tasks?.takeFailures() ?? []
  if (failures.length === 0) return
  const { error } = scope.completion
  const bodyHasNews = hasNews(scope.completion) && !failures.some((own) => isEcho(error, own))
  const errors = bodyHasNews ? [error, ...failures] : failures
  const several = `${errors.length} parts of the scope failed.`
  scope.completion = scope.completion.fail(
    errors.length === 1 ? errors[0] : aggregate(errors, several),
    true,
  )
}

/** It failed otherwise than by saying that it was aborted from outside. */
function hasNews({ status, failed, error, reason }: Completion): boolean {
  return failed && !(status === 'aborted' && isEcho(error, reason))
}
