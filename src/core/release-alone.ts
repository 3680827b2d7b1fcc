/**
 * Releases outside of their scope's list: of what comes after that was unwound, of what the scope could not wait for, and
 * of what a start that failed had acquired.
 */
import type { Completion } from './completion.ts'
import { AwaitedContext, callInFrame } from './context.ts'
import { push, type Finalizer } from './finalizers.ts'
import type { ScopeNode } from './scope.ts'
import { unwind, type Unwindable, type Unwinding } from './unwinding.ts'

/** What a scope could not wait for, or what came after its end: now, in its context. Never rejects. */
export function releaseLate(
  finalizer: Finalizer,
  scope: ScopeNode,
  completion: Completion,
): Promise<void> {
  const alone = new Alone(scope, completion)
  push(alone, finalizer)
  return callInFrame(scope.frame, new AwaitedContext(scope), () => unwind(alone))
}

/** A list that has no other life. What fails in it is reported. */
export class Alone implements Unwindable {
  completion: Completion
  newest: Finalizer | undefined = undefined
  unwinding: Unwinding | undefined = undefined
  onFulfilled: ((value: unknown) => unknown) | undefined = undefined
  onRejected: ((error: unknown) => unknown) | undefined = undefined
  readonly late = true
  readonly scope: ScopeNode

  constructor(scope: ScopeNode, completion: Completion) {
    this.scope = scope
    this.completion = completion
  }

  get disposeTimeout(): number {
    return this.scope.disposeTimeout
  }

  report(error: unknown, resource: string | undefined, late: boolean): void {
    this.scope.report(error, resource, late)
  }

  finish(): void {
    this.unwinding = undefined
  }
}
