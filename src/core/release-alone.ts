/**
 * The release of one thing, outside of every scope's list: for what comes after its scope was unwound, or could not wait
 * for it, and for what no scope holds.
 */
import type { Completion } from './completion.ts'
import { AwaitedContext, callInFrame, type Frame } from './context.ts'
import { push, type Finalizer } from './finalizers.ts'
import type { Scope } from './types.ts'
import { unwind, type Unwindable, type Unwinding } from './unwinding.ts'

type Host = Pick<Unwindable, 'scope' | 'disposeTimeout' | 'report'>

/** What a scope could not wait for, or what came after its end: now, in its context. Never rejects. */
export function releaseLate(
  finalizer: Finalizer,
  scope: Host & { readonly frame: Frame; readonly scope: Scope },
  completion: Completion,
): Promise<void> {
  const alone = new Alone(scope, completion, true)
  push(alone, finalizer)
  return callInFrame(scope.frame, new AwaitedContext(scope.scope), () => unwind(alone))
}

/** A list that was taken out of its scope's. What fails is reported; never rejects. */
export function releaseList(newest: Finalizer, host: Host, completion: Completion): Promise<void> {
  const alone = new Alone(host, completion, true)
  alone.newest = newest
  return unwind(alone)
}

/** A list that has no other life. */
export class Alone implements Unwindable {
  completion: Completion
  newest: Finalizer | undefined = undefined
  unwinding: Unwinding | undefined = undefined
  running = false
  onFulfilled: ((value: unknown) => unknown) | undefined = undefined
  onRejected: ((error: unknown) => unknown) | undefined = undefined
  readonly late: boolean
  readonly #host: Host

  constructor(host: Host, completion: Completion, late: boolean) {
    this.#host = host
    this.completion = completion
    this.late = late
  }

  get scope(): Scope | undefined {
    return this.#host.scope
  }

  get disposeTimeout(): number {
    return this.#host.disposeTimeout
  }

  report(error: unknown, resource: string | undefined, late: boolean): void {
    this.#host.report(error, resource, late)
  }

  drain(): undefined {}
  finish(): void {}
}
