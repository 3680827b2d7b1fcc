/**
 * What a scope still takes: work while it is open or draining, and what it is to release until it is closed.
 */
import { aroundCaller } from './context.ts'
import { push, type Finalizer } from './finalizers.ts'
import { scopeClosed } from './misuse.ts'
import { releaseLate } from './release-alone.ts'
import type { ScopeNode } from './scope.ts'
import { tellUsedAfterClose } from './watching/telling.ts'

/** @throws `ERR_SCOPE_CLOSED` where no work can begin any more */
export function admitWork(scope: ScopeNode, verb: string): void {
  if (scope.state === 'closing' || scope.state === 'closed') throw closedError(scope, verb)
}

/** @throws `ERR_SCOPE_CLOSED` once nobody is left to release it later; then it is released now */
export function register(scope: ScopeNode, verb: string, finalizer: Finalizer): void {
  if (scope.state !== 'closed') {
    const acquired = aroundCaller()
    // What it is released with must not go before it.
    if (acquired?.owner === scope) acquired.register(finalizer)
    else push(scope, finalizer)
    return
  }
  void releaseLate(finalizer, scope, scope.completion)
  throw closedError(scope, verb)
}

export function closedError(scope: ScopeNode, verb: string): Error {
  tellUsedAfterClose(scope, verb)
  return scopeClosed(scope, verb, scope.closedAt)
}
