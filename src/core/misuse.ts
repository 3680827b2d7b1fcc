/**
 * What a scope says when it is used in a way that cannot work: what happened, to which scope, what to do.
 */
import { roughNow } from './deadline.ts'
import { isThenable } from './dispose.ts'
import { CaptiveDependencyError, NoScopeError, ScopeClosedError } from './errors/errors.ts'
import { formatError } from './errors/format.ts'
import type { ScopeNode } from './scope.ts'
import { closingOf } from './watching/sites.ts'
import type { Scope } from './types.ts'

const advice =
  'Await what the scope started before its body ends, or give work that outlives it a scope of its own.'
const closingAdvice =
  'While it releases what it holds, it takes no new work: await in the body what it starts, and get there what a release needs.'
const appAdvice = 'It takes no new work: ask before it closes.'
const drainAdvice = 'It takes no new work: what still runs does it itself, in its own scope.run(…).'

export function scopeClosed(
  scope: Named & Pick<Scope, 'state'>,
  call: string,
  closedAt: number | undefined,
): ScopeClosedError {
  const when =
    closedAt === undefined ? `is ${scope.state}` : `closed ${duration(roughNow() - closedAt)} ago`
  const closing = closingOf(scope)
  const said =
    scope.kind === 'app'
      ? `the app "${scope.name}" (${scope.id}) ${when}. ${scope.state === 'draining' ? drainAdvice : appAdvice}`
      : `the scope ${title(scope)} ${when}. ${scope.state === 'closing' ? closingAdvice : advice}`
  return new ScopeClosedError(`${call}: ${said}`, closing && { cause: closing })
}

/** A time in a message. */
export function duration(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`
}

export function noScope(call: string): NoScopeError {
  return new NoScopeError(
    `${call} was called outside every scope. Call it inside scope.run(…), or inside scope.enter(…) where a library lost the context.`,
  )
}

export function noRequest(resource: string): NoScopeError {
  return new NoScopeError(
    `The resource "${resource}" lives as long as a request and was asked of the app itself. Ask a scope under the app: app.run((scope) => scope.get(…)).`,
  )
}

export function captive(path: readonly string[]): CaptiveDependencyError {
  const last = path.at(-1)
  return new CaptiveDependencyError(
    `The resource "${path[0]}" lives as long as the app and would hold "${last}", which lives as long as a request: ${path.join(' → ')}. Shorten the life of the first, or hand "${last}" to it with each call.`,
    path,
  )
}

/** Give an error that nobody can catch any more to the `onError` of `scope`, or to the process as a warning. */
export function reportUnthrown(
  scope: ScopeNode,
  error: unknown,
  resource: string | undefined,
  late: boolean,
): void {
  const { onError } = scope.settings
  if (onError === undefined) {
    warnUnthrown(error, resource, scope)
    return
  }
  const failed = (failure: unknown): void => {
    warnUnthrown(error, resource, scope)
    warnUnthrown(failure, 'onError', scope)
  }
  const info = { scope, ...(resource !== undefined && { resource }), ...(late && { late }) }
  callListener(() => onError(error, info), failed)
}

/** It may be an async function: the type allows it, as that of every function that returns nothing. */
export function callListener(listener: () => unknown, failed: (failure: unknown) => void): void {
  try {
    const told = listener()
    if (isThenable(told)) told.then(undefined, failed)
  } catch (failure) {
    failed(failure)
  }
}

/** Give an error that nobody can catch any more to the process. */
export function warnUnthrown(error: unknown, resource: string | undefined, scope?: Scope): void {
  const what = resource === undefined ? 'Something' : `"${resource}"`
  const where = scope === undefined ? '' : ` in the scope ${title(scope)}`
  process.emitWarning(`${what}${where} failed when nobody could be told: ${formatError(error)}`, {
    type: 'UnwindWarning',
    code: 'UNWIND_UNTHROWN',
  })
}

/** What a scope is called by. */
export type Named = Pick<Scope, 'id' | 'name' | 'kind'>

/** A scope in a message. */
export function title(scope: Named): string {
  const id = `${scope.kind} ${scope.id}`
  return scope.name === scope.kind ? id : `"${scope.name}" (${id})`
}
