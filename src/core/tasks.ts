/**
 * What a scope waits for: the tasks forked in it. A task that fails takes its scope along; an abort reaches them all;
 * nothing is released before the last one has settled.
 */
import { cancel, settleFailure } from './abort.ts'
import { AwaitedContext, callInFrame, openFrame } from './context.ts'
import { ignore, isEcho, isObject } from './dispose.ts'
import type { Instance } from './resources/instance.ts'
import type { ScopeNode } from './scope.ts'
import type { MaybePromise, Task } from './types.ts'

export type Job<R> = (signal: AbortSignal) => MaybePromise<R>
export type OnClose = 'await' | 'abort'

/** What streams failed with in the hands of tasks, which may fail with it in their turn. */
const expected = new WeakSet<object>()

/** It aborts the scope, but a task that fails with it is no echo: nobody else was told. */
export function expectFailure(error: unknown): void {
  if (isObject(error)) expected.add(error)
}

/** One running task. Those of one `all` stop together. */
interface Work {
  readonly stopper: AbortController
  readonly onClose: OnClose
}

/** Those of `scope`, if any run. */
export function runningIn({ extras }: ScopeNode): Tasks | undefined {
  return extras?.tasks?.size ? extras.tasks : undefined
}

export class Tasks {
  readonly #scope: ScopeNode
  readonly #running = new Set<Work>()
  #failures: unknown[] = []
  /** Whether an abort from outside came after the body had settled, which was not there to know. */
  #cutOff = false
  /** Resolves when none is running, for those who wait for that: a close, and a shutdown after it. */
  #idle: PromiseWithResolvers<void> | undefined = undefined

  constructor(scope: ScopeNode) {
    this.#scope = scope
  }

  get size(): number {
    return this.#running.size
  }

  fork<R>(job: Job<R>, onClose: OnClose): Task<R> {
    const stopper = new AbortController()
    const work = { stopper, onClose }
    if (onClose === 'abort' && this.#scope.state !== 'open') stopper.abort()
    // Whoever waits for the scope waits for the task.
    const { neededBy } = this.#scope
    const promise = this.#start(job, work, (error) => this.#failed(error, work), neededBy)
    // The scope ends with its error: a caller who does not wait for the task misses nothing.
    promise.catch(ignore)
    return Object.assign(promise, { abort: (reason?: unknown): void => stopper.abort(reason) })
  }

  /** @param neededBy what is being acquired and waits for them */
  async all(jobs: readonly Job<unknown>[], neededBy: Instance | undefined): Promise<unknown[]> {
    const stopper = new AbortController()
    let first: { readonly error: unknown } | undefined
    const fail = (error: unknown): void => {
      if (first === undefined) {
        first = { error }
        stopper.abort(error)
      } else if (!isEcho(error, stopper.signal.reason)) {
        // Only one error can be thrown; another that says something of its own is not lost.
        this.#scope.report(error, undefined, false)
      }
    }
    const results = await Promise.allSettled(
      jobs.map((job) => this.#start(job, { stopper, onClose: 'await' }, fail, neededBy)),
    )
    if (first !== undefined) throw first.error
    // Otherwise there is a first one that failed.
    return results.map((result) => (result as PromiseFulfilledResult<unknown>).value)
  }

  stop(reason: unknown): void {
    const { kind, state, cancellation } = this.#scope
    // An app has no body.
    this.#cutOff ||= kind !== 'app' && state === 'draining' && cancellation?.requested === true
    for (const { stopper } of [...this.#running]) stopper.abort(reason)
  }

  /** Resolves when no task is left; those that are not to be waited for are aborted. */
  async settle(): Promise<void> {
    for (const { stopper, onClose } of [...this.#running]) if (onClose === 'abort') stopper.abort()
    while (this.#running.size > 0) await (this.#idle ??= Promise.withResolvers<void>()).promise
  }

  /** They go on, and nobody waits for them: what fails in them is reported. */
  abandon(): void {
    this.#running.clear()
  }

  /** The errors of failed tasks, each handed out once. */
  takeFailures(): unknown[] {
    const failures = this.#failures
    this.#failures = []
    return failures
  }

  /** The task counts as running until `onFailure` has been told. */
  async #start<R>(
    job: Job<R>,
    work: Work,
    onFailure: (error: unknown) => void,
    neededBy: Instance | undefined,
  ): Promise<R> {
    const { stopper } = work
    const barred = this.#scope.cancellation?.barred
    if (barred !== undefined) stopper.abort(barred.reason)
    this.#running.add(work)
    const context = new AwaitedContext(this.#scope, neededBy)
    try {
      return await callInFrame(openFrame(), context, () => job(stopper.signal))
    } catch (error) {
      onFailure(error)
      throw error
    } finally {
      context.end()
      this.#running.delete(work)
      if (this.#running.size === 0) {
        this.#idle?.resolve()
        this.#idle = undefined
      }
    }
  }

  #failed(error: unknown, work: Work): void {
    const { signal } = work.stopper
    if (this.#isKnown(error, signal)) {
      this.#echoed(error, signal.reason)
      return
    }
    if (!this.#running.has(work)) {
      this.#scope.report(error, undefined, true)
      return
    }
    this.#failures.push(error)
    cancel(this.#scope, error, false)
  }

  /** What succeeded is not whole without what this task would have done. */
  #echoed(error: unknown, reason: unknown): void {
    const { completion, cancellation } = this.#scope
    const isHalf = this.#cutOff && reason === cancellation?.cause?.reason
    if (isHalf && completion.status === 'success') settleFailure(this.#scope, error, true)
  }

  #isKnown(error: unknown, { aborted, reason }: AbortSignal): boolean {
    // Two that throw `undefined` failed twice.
    if (isObject(error) && this.#failures.includes(error)) return true
    const isNews = isObject(error) && expected.has(error)
    return aborted && !isNews && isEcho(error, reason)
  }
}
