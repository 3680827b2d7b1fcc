/**
 * The list of what must be released, and the one loop that unwinds it: last in, first out, one at a time, each exactly
 * once, whatever the others do. Every error ends up in the completion; none stops the loop.
 */
import { plain, ReleaseExit, type Completion } from './completion.ts'
import { roughNow, Watched } from './deadline.ts'
import {
  asyncDisposer,
  describe,
  isObject,
  isThenable,
  syncDisposer,
  type Method,
} from './dispose.ts'
import { detection } from './detection.ts'
import { DisposeTimeoutError } from './errors.ts'
import { acquired, released } from './events.ts'
import { tellAcquired, tellReleased, tellReleasing, tellTimeout, type Entry } from './telling.ts'
import type { Exit, Lifetime, MaybePromise, Scope } from './types.ts'

/** What a release may say about itself. A resource definition is one. */
export interface Traits {
  readonly name: string
  readonly lifetime?: Lifetime
  /** When its acquisition began. */
  readonly since?: number
  readonly disposeTimeout?: number | undefined
  readonly critical?: boolean | undefined
  readonly destroy?: ((value: never, why: DisposeTimeoutError) => unknown) | undefined
}

type Invoke = (finalizer: Finalizer, unwinding: Unwinding) => unknown

/** One entry: how to call it, with what. All kinds share one shape, which keeps the loop's call site fast. */
export class Finalizer implements Entry {
  next: Finalizer | undefined = undefined
  readonly invoke: Invoke
  readonly value: unknown
  readonly method: Method
  readonly traits: Traits | undefined
  /** When it was entered, on the clock of `roughNow`. */
  readonly since: number = roughNow()

  constructor(invoke: Invoke, value: unknown, method: Method, traits: Traits | undefined) {
    this.invoke = invoke
    this.value = value
    this.method = method
    this.traits = traits
  }

  get name(): string {
    const { traits, value, method } = this
    if (traits !== undefined) return traits.name
    if (isObject(value) && value.constructor?.name) return value.constructor.name
    return method.name || 'a deferred callback'
  }
}

/**
 * What disposing `value` means, looked up now: replacing the method later changes nothing.
 * @throws {TypeError} if there is no such method
 */
export function disposalOf(value: unknown): Finalizer {
  if (isObject(value)) {
    const method = asyncDisposer(value)
    if (method !== undefined) return new Finalizer(callAsyncDisposer, value, method, undefined)
    const sync = syncDisposer(value)
    if (sync !== undefined) return new Finalizer(callSyncDisposer, value, sync, undefined)
  }
  throw new TypeError(
    `Expected the argument of use() to have [Symbol.asyncDispose]() or [Symbol.dispose](), received ${describe(value)}. For anything else: adopt(value, release).`,
  )
}

/** `[Symbol.asyncDispose]`: what it returns is waited for. */
function callAsyncDisposer({ method, value }: Finalizer): unknown {
  return method.call(value)
}

/** `[Symbol.dispose]`: as in the standard, what it returns is not waited for. */
function callSyncDisposer({ method, value }: Finalizer): undefined {
  method.call(value)
}

/** A release function, which sees the value and the exit. */
export function callRelease({ method, value }: Finalizer, unwinding: Unwinding): unknown {
  return (method as (value: unknown, exit: Exit) => unknown)(value, unwinding.exit())
}

/** A release function of what no scope holds, which sees the value alone. */
export function callWithValue({ method, value }: Finalizer): unknown {
  return (method as (value: unknown) => unknown)(value)
}

/** A deferred callback, which sees the exit alone. */
export function callDeferred({ method }: Finalizer, unwinding: Unwinding): unknown {
  return (method as (exit: Exit) => unknown)(unwinding.exit())
}

/** What the loop asks of whoever owns the list. */
export interface Host {
  /** The scope that it is, if it is one. */
  readonly scope?: Scope
  /** Milliseconds for a release that sets none of its own. */
  readonly disposeTimeout: number
  /** Takes what cannot be thrown. */
  report(error: unknown, resource: string | undefined, late: boolean): void
}

/** A list with its completion: how things ended, as changed by the releases that already ran. */
export class Unwinding {
  readonly completion: Completion
  newest: Finalizer | undefined = undefined
  #current: Finalizer | undefined = undefined
  readonly #host: Host
  readonly #late: boolean
  #exit: ReleaseExit | undefined = undefined

  /** @param late nobody waits for the result any more: what fails is reported */
  constructor(host: Host, completion: Completion, late: boolean) {
    this.#host = host
    this.completion = completion
    this.#late = late
  }

  get empty(): boolean {
    return this.newest === undefined && this.#current === undefined
  }

  push(finalizer: Finalizer): void {
    finalizer.next = this.newest
    this.newest = finalizer
    if (acquired.hasSubscribers || detection.watching) this.#tellAcquired(finalizer)
  }

  pop(): Finalizer | undefined {
    const finalizer = this.newest
    if (released.hasSubscribers || detection.followed > 0) this.#tellReleased()
    if (finalizer !== undefined) this.newest = finalizer.next
    this.#current = finalizer
    this.#exit = undefined
    return finalizer
  }

  /** What was entered after `mark`, as a list of its own whose failures are reported. */
  split(mark: Finalizer | undefined, completion: Completion): Unwinding {
    const newer = new Unwinding(this.#host, completion, true)
    newer.newest = this.newest
    for (let at = this.newest; at !== undefined && at !== mark; at = this.newest) {
      this.newest = at.next
      if (this.newest === mark) at.next = undefined
    }
    return newer
  }

  /** The next one to be released first. */
  entries(): { finalizer: Finalizer; releasing: boolean }[] {
    const entries: { finalizer: Finalizer; releasing: boolean }[] = []
    if (this.#current !== undefined) entries.push({ finalizer: this.#current, releasing: true })
    for (let finalizer = this.newest; finalizer !== undefined; finalizer = finalizer.next) {
      entries.push({ finalizer, releasing: false })
    }
    return entries
  }

  /** For the release that runs now; made only for those that look. */
  exit(): Exit {
    this.#exit = new ReleaseExit(this.completion)
    return this.#exit.shown
  }

  /** A pending release gets its time, then its `destroy`. Settles when the next one may run. */
  async wait(finalizer: Finalizer, promise: PromiseLike<unknown>): Promise<void> {
    const exit = this.#exit
    const ms = finalizer.traits?.disposeTimeout ?? this.#host.disposeTimeout
    const release = new Watched(promise)
    // One turn more tells a rejection from a wait, which alone needs a timer.
    await undefined
    if (!release.settled) await release.within(ms)
    if (release.settled) {
      if (release.failed) this.fail(finalizer, release.error)
      return
    }
    const name = finalizer.name
    const overrun = new DisposeTimeoutError(name, ms)
    tellTimeout(this.#host.scope, name, 'release', ms)
    this.#reportLate(release, name)
    this.fail(finalizer, overrun)
    exit?.expire(overrun)
    await this.#destroy(finalizer, overrun, ms)
  }

  /** Throws what the completion owes to whoever waits. */
  finish(): void {
    if (!this.#late) this.completion.throwIfFailed()
  }

  #tellAcquired(finalizer: Finalizer): void {
    if (this.#host.scope !== undefined) tellAcquired(this.#host.scope, finalizer)
  }

  /** The current one is released, and the next one begins. */
  #tellReleased(): void {
    const { scope } = this.#host
    if (scope === undefined) return
    if (this.#current !== undefined) tellReleased(scope, this.#current)
    if (this.newest !== undefined) tellReleasing(this.newest)
  }

  #reportLate(watched: Watched, name: string): void {
    watched.onLateFailure((error) => this.#host.report(plain(error), name, true))
  }

  /** A failing release that is not critical is reported; any other becomes part of the completion. */
  fail(finalizer: Finalizer, error: unknown): void {
    if (this.#late || finalizer.traits?.critical === false) {
      this.#host.report(plain(error), finalizer.name, this.#late)
    } else {
      this.completion.add(error, finalizer.name)
    }
  }

  async #destroy(finalizer: Finalizer, why: DisposeTimeoutError, ms: number): Promise<void> {
    const { traits, value } = finalizer
    // After an abandoned body, destroying was the release.
    if (traits?.destroy === undefined || this.completion.abandoned) return
    try {
      const destroying = traits.destroy(value as never, why)
      if (!isThenable(destroying)) return
      const watched = new Watched(destroying)
      await watched.within(ms)
      if (watched.failed) throw watched.error
      if (watched.settled) return
      this.#reportLate(watched, traits.name)
      throw new DisposeTimeoutError(`destroy of ${traits.name}`, ms)
    } catch (error) {
      this.fail(finalizer, error)
    }
  }
}

/** What can be run and then unwound. */
export interface Unwindable {
  readonly unwinding: Unwinding
  /** The body fulfilled, or failed. A promise where nothing is left to do: it was closed meanwhile, or streams keep it open. */
  settle(failure: { readonly error: unknown } | undefined): Promise<void> | undefined
  /** No new work from now on; a promise where some must end before the first release. */
  drain(): Promise<void> | undefined
  /** Everything is released. */
  finish(): void
}

/**
 * Run `body`, if there is one, then release everything. One async function for both, because a second one would cost a
 * turn of the microtask queue; a pending release gets one before a timer is made for it, because most need no more.
 */
export async function conclude<S extends Unwindable, R>(
  owner: S,
  body: ((owner: S) => MaybePromise<R>) | undefined,
): Promise<R | undefined> {
  const { unwinding } = owner
  let value: R | undefined
  if (body !== undefined) {
    let failure: { readonly error: unknown } | undefined
    try {
      value = await body(owner)
    } catch (error) {
      failure = { error }
    }
    const ended = owner.settle(failure)
    if (ended !== undefined) {
      await ended
      if (failure !== undefined) throw failure.error
      return value
    }
  }
  const draining = owner.drain()
  if (draining !== undefined) await draining
  for (let finalizer = unwinding.pop(); finalizer !== undefined; finalizer = unwinding.pop()) {
    try {
      const release = finalizer.invoke(finalizer, unwinding)
      if (isThenable(release)) {
        // Without a body there is no value, and nobody asks for it.
        let fulfilled = false as boolean
        release.then(() => {
          fulfilled = true
        }, ignore)
        await undefined
        if (!fulfilled) await unwinding.wait(finalizer, release)
      }
    } catch (error) {
      unwinding.fail(finalizer, error)
    }
  }
  owner.finish()
  unwinding.finish()
  return value
}

function ignore(): void {}
