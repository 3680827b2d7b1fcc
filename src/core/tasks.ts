/**
 * What a scope waits for: the tasks forked in it. A task that fails takes its scope along; an abort reaches them all;
 * nothing is released before the last one has settled.
 */
import { cancel } from './abort.ts'
import { AwaitedContext, enterFrame, openFrame } from './context.ts'
import { isEcho, isObject } from './dispose.ts'
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

export class Tasks {
  readonly #scope: ScopeNode
  readonly #running = new Set<Work>()
  #failures: unknown[] = []
  #whenIdle: (() => void) | undefined = undefined
  /** The scope waits for the last one. */
  #settling = false

  constructor(scope: ScopeNode) {
    this.#scope = scope
  }

  get size(): number {
    return this.#running.size
  }

  fork<R>(job: Job<R>, onClose: OnClose): Task<R> {
    const work = new Work(onClose)
    if (this.#settling && onClose === 'abort') work.stop()
    const promise = this.#start(job, work, (error) => this.#failed(error, work))
    // The scope ends with its error: a caller who does not wait for the task misses nothing.
    promise.catch(ignore)
    return Object.assign(promise, { abort: (reason?: unknown): void => work.stop(reason) })
  }

  async all(jobs: readonly Job<unknown>[]): Promise<unknown[]> {
    const group = jobs.map((job) => ({ job, work: new Work('await') }))
    let first: { readonly error: unknown; readonly work: Work } | undefined
    const fail = (error: unknown, work: Work): void => {
      first ??= { error, work }
      for (const other of group) other.work.stop(error)
      // Only one error can be thrown; another that says something of its own is not lost.
      if (work !== first.work && !isEcho(error, work.signal.reason)) {
        this.#scope.report(error, undefined, false)
      }
    }
    const results = await Promise.allSettled(
      group.map(({ job, work }) => this.#start(job, work, (error) => fail(error, work))),
    )
    if (first !== undefined) throw first.error
    // Otherwise there is a first one that failed.
    return results.map((result) => (result as PromiseFulfilledResult<unknown>).value)
  }

  stop(reason: unknown): void {
    for (const work of [...this.#running]) work.stop(reason)
  }

  /** Resolves when no task is left; those that are not to be waited for are aborted. */
  async settle(): Promise<void> {
    this.#settling = true
    for (const work of [...this.#running]) if (work.onClose === 'abort') work.stop()
    while (this.#running.size > 0) {
      await new Promise<void>((resolve) => {
        this.#whenIdle = resolve
      })
    }
  }

  /** They go on, and nobody waits for them: what fails in them is reported. */
  abandon(): void {
    for (const work of this.#running) work.abandoned = true
    this.#running.clear()
  }

  /** The errors of failed tasks, each handed out once. */
  takeFailures(): unknown[] {
    const failures = this.#failures
    this.#failures = []
    return failures
  }

  /** The task counts as running until `onFailure` has been told. */
  async #start<R>(job: Job<R>, work: Work, onFailure: (error: unknown) => void): Promise<R> {
    if (this.#scope.aborted) work.stop(this.#scope.signal.reason)
    this.#running.add(work)
    const context = new AwaitedContext(this.#scope)
    try {
      return await enterFrame(openFrame(), context, callJob<R>, job, work.signal)
    } catch (error) {
      onFailure(error)
      throw error
    } finally {
      context.awaited = false
      this.#running.delete(work)
      if (this.#running.size === 0) this.#whenIdle?.()
    }
  }

  #failed(error: unknown, work: Work): void {
    if (this.#isKnown(error, work.signal)) return
    if (work.abandoned) {
      this.#scope.report(error, undefined, true)
      return
    }
    this.#failures.push(error)
    cancel(this.#scope, error, false)
  }

  #isKnown(error: unknown, { aborted, reason }: AbortSignal): boolean {
    // Two that throw `undefined` failed twice.
    if (isObject(error) && this.#failures.includes(error)) return true
    const isNews = isObject(error) && expected.has(error)
    return aborted && !isNews && isEcho(error, reason)
  }
}

/** One running task. */
class Work {
  abandoned = false
  readonly onClose: OnClose
  readonly #controller = new AbortController()

  constructor(onClose: OnClose) {
    this.onClose = onClose
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  stop(reason?: unknown): void {
    this.#controller.abort(reason)
  }
}

function callJob<R>(job: Job<R>, signal: AbortSignal): MaybePromise<R> {
  return job(signal)
}

function ignore(): void {}
