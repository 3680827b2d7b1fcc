/**
 * A stream that keeps its scope open: while somebody reads it, what it reads from is not released. However it ends, the
 * scope closes once, and whatever the consumer awaits last settles after that.
 */
import { admitWork, register } from './admission.ts'
import type { Completion } from './completion.ts'
import { AwaitedContext, callInFrame } from './context.ts'
import { whenAborted } from './deadline.ts'
import { isEcho, suppress } from './dispose.ts'
import { callDeferred, Finalizer, remove } from './finalizers.ts'
import { disposedError } from './lease.ts'
import { awaitsCaller } from './life.ts'
import { scopeClosed } from './misuse.ts'
import { expected } from './options.ts'
import { keepOpen, letClose, parkedFor, type Settle } from './parked.ts'
import type { ScopeNode } from './scope.ts'
import { expectFailure } from './tasks.ts'
import type { Exit } from './types.ts'
import { escapable } from './waiting.ts'
import { whenEnded } from './unwinding.ts'

/**
 * Resolves when it closed; at once for those whom it waits for. Never rejects.
 * @param closing whether that had begun when the caller came, who may then be one of its finalizers
 */
type WhenClosed = (closing: boolean) => Promise<void>

type Result<T> = IteratorResult<T, void>

/** @throws {TypeError} if `iterable` cannot be iterated, and `ERR_SCOPE_CLOSED` */
export function bindStream<T>(
  scope: ScopeNode,
  iterable: AsyncIterable<T>,
): AsyncGenerator<T, void, undefined> {
  admitWork(scope, 'stream()')
  // Checked here because a caller without types would learn it only when somebody reads.
  if (
    typeof (iterable as Partial<AsyncIterable<T>> | undefined)?.[Symbol.asyncIterator] !==
    'function'
  ) {
    throw expected('the argument of stream()', 'an async iterable', iterable)
  }
  keepOpen(scope)
  return new BoundStream(scope, iterable)
}

class BoundStream<T> implements AsyncGenerator<T, void, undefined> {
  readonly #scope: ScopeNode
  readonly #iterable: AsyncIterable<T>
  #iterator: AsyncIterator<T> | undefined = undefined
  #over = false
  /** Its scope, and those around it, are open for it. */
  #bound = true
  #whenClosed: WhenClosed | undefined = undefined
  /** Its source was told to end; resolves when it has. */
  #stopping: Promise<void> | undefined = undefined
  /** Why it was cut off, until a consumer is told. */
  #unheard: { readonly reason: unknown } | undefined = undefined
  /** In which its source runs, which its scope waits for: it may close that, or read another stream of it. */
  readonly #inner: AwaitedContext
  /** Those who wait for its next value. */
  readonly #waiting = new Set<(reason: unknown) => void>()
  readonly #entry: Finalizer
  #stopListening: () => void = () => {}

  constructor(scope: ScopeNode, iterable: AsyncIterable<T>) {
    this.#scope = scope
    this.#iterable = iterable
    this.#inner = new AwaitedContext(scope, scope.neededBy)
    // Released before everything that was acquired earlier, within the dispose timeout, also when nobody reads on.
    this.#entry = new Finalizer(
      callDeferred,
      undefined,
      (exit: Exit) => this.#release(exit),
      undefined,
    )
    register(scope, 'stream()', this.#entry)
    this.#stopListening = whenAborted(scope.signal, () => this.#abort())
  }

  async next(): Promise<Result<T>> {
    if (this.#over) return await this.#after()
    // Silence would look like the end of the data.
    if (this.#stopping !== undefined) throw this.#dead()
    try {
      const result = await this.#pull()
      if (this.#scope.aborted) this.#loosen()
      if (result.done !== true) return result
      this.#iterator = undefined
    } catch (error) {
      // What was only cut off is stopped with the scope.
      if (!this.#over) this.#iterator = undefined
      this.#unheard = undefined
      this.#end(this.#failure(error))
      await this.#whenClosed?.(false)
      throw error
    }
    this.#end(unchanged)
    await this.#whenClosed?.(false)
    return over()
  }

  async return(): Promise<Result<T>> {
    const reason = cancelled(this.#scope.name)
    // What failed before is the outcome.
    await this.#stop((completion) => (completion.failed ? completion : completion.abort(reason)))
    return over()
  }

  async throw(error: unknown): Promise<Result<T>> {
    try {
      await this.#stop(this.#failure(error))
    } catch (failure) {
      throw suppress(failure, error)
    }
    throw error
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }

  /** In the scope's context; an abort of the scope ends the waiting. */
  #pull(): Promise<Result<T>> {
    const step = callInFrame(this.#scope.frame, this.#inner, () => {
      this.#iterator ??= this.#iterable[Symbol.asyncIterator]()
      return Promise.resolve(this.#iterator.next())
    })
    return escapable(step, (giveUp) => {
      const stopWaiting = (reason: unknown): void => {
        giveUp(reason)
        step.catch((error: unknown) => this.#failedLate(error, reason))
      }
      this.#waiting.add(stopWaiting)
      return () => this.#waiting.delete(stopWaiting)
    })
  }

  /** @param told what its consumer was told instead */
  #failedLate(error: unknown, told: unknown): void {
    if (!isEcho(error, told)) this.#scope.report(error, undefined, true)
  }

  /** A stream that was cut off did not come to its end, and says so once. */
  async #after(): Promise<Result<T>> {
    await this.#whenClosed?.(true)
    const unheard = this.#unheard
    this.#unheard = undefined
    if (unheard !== undefined) throw unheard.reason
    return over()
  }

  /** What is parked for it is aborted with that, also where it is what a task of that may fail with. */
  #failure(error: unknown): Settle {
    const isInside = parkedFor(this.#scope).some((scope) => awaitsCaller(scope, false))
    if (isInside) expectFailure(error)
    return (completion) => completion.failAgain(error, false)
  }

  /** A scope that does not close with it goes on without its source. */
  async #stop(settle: Settle): Promise<void> {
    const closing = !this.#bound
    const scope = this.#scope
    this.#end(settle)
    if (scope.state === 'open') {
      await callInFrame(scope.frame, this.#inner, () => this.#stopSource()).finally(() =>
        this.#leave(),
      )
      if (scope.state !== 'open' && !awaitsCaller(scope, closing)) await whenEnded(scope)
    }
    await this.#whenClosed?.(closing)
  }

  #end(settle: Settle): void {
    if (this.#over) return
    this.#over = true
    if (this.#iterator === undefined) this.#leave()
    this.#letGo(settle)
  }

  /** No scope is open for it any more. */
  #letGo(settle: Settle): void {
    if (!this.#bound) return
    // Before what the end of a scope calls, which may be this again.
    this.#bound = false
    this.#whenClosed = letClose(this.#scope, settle)
  }

  /** Its scope was aborted: nobody who does not read keeps it open. */
  #loosen(): void {
    if (this.#waiting.size === 0) this.#letGo(unchanged)
  }

  /** There is nothing left to end, and its scope may live for long. */
  #leave(): void {
    this.#stopListening()
    this.#inner.end()
    remove(this.#scope, this.#entry)
  }

  /** Where a body still runs, that decides: it has the signal. */
  #abort(): void {
    const scope = this.#scope
    const isLeft = !scope.running && parkedFor(scope).length > 0
    if (!isLeft) this.#loosen()
    if (this.#over || !isLeft) return
    const reason: unknown = scope.signal.reason
    this.#unheard = { reason }
    // What failed in a scope is its outcome already, or will be.
    this.#end((completion, { cancellation }) =>
      cancellation?.requested === true ? completion.abort(reason) : completion,
    )
    for (const stopWaiting of this.#waiting) stopWaiting(reason)
  }

  #dead(): Error {
    const scope = this.#scope
    return disposedError(
      `The stream of the scope "${scope.name}"`,
      scopeClosed(scope, 'next()', undefined),
    )
  }

  /** Its scope closes, whoever still reads. Once its source has ended, or had its time, nothing comes any more. */
  #release({ signal }: Exit): Promise<void> {
    this.#letGo(unchanged)
    const turnAway = (): void => {
      for (const stopWaiting of this.#waiting) stopWaiting(this.#dead())
    }
    signal.addEventListener('abort', turnAway)
    return this.#stopSource().finally(turnAway)
  }

  #stopSource(): Promise<void> {
    this.#stopping ??= endOf(this.#iterator)
    this.#iterator = undefined
    return this.#stopping
  }
}

async function endOf(iterator: AsyncIterator<unknown> | undefined): Promise<void> {
  await iterator?.return?.()
}

function unchanged(completion: Completion): Completion {
  return completion
}

function over<T>(): Result<T> {
  return { done: true, value: undefined }
}

function cancelled(scope: string): DOMException {
  return new DOMException(`The stream of the scope "${scope}" was cancelled.`, 'AbortError')
}
