/**
 * The one loop that unwinds a list: last in, first out, one at a time, each exactly once, whatever the others do. Every
 * error ends up in the completion; none stops the loop. It goes on in the callbacks of what it waits for, because an
 * async function cannot be called away from a release that never ends (docs/decisions/driven-by-callbacks.md).
 */
import { plain, ReleaseExit, type Completion, type Failure } from './completion.ts'
import { detection } from './detection.ts'
import { isThenable } from './dispose.ts'
import { DisposeTimeoutError } from './errors.ts'
import { acquired, released } from './events.ts'
import { destroy, type Ending, type Finalizer, type Unwindable } from './finalizers.ts'
import { Patience, timersAreReplaced } from './patience.ts'
import { tellAcquired, tellReleased, tellReleasing, tellTimeout } from './telling.ts'
import type { Exit, MaybePromise } from './types.ts'

/** The number of the listeners that wait for the body first. */
const bodys = 0

type Resolve = (value: unknown) => void
type Reject = (error: unknown) => void

/** A list with its completion: how things ended, as changed by the releases that already ran. */
export class Unwinding implements Ending {
  completion: Completion
  readonly #owner: Unwindable
  /** Nobody waits for the result any more: what fails is reported. */
  readonly #late: boolean
  /** The next one to be released, which leads to the others. */
  newest: Finalizer | undefined = undefined
  #current: Finalizer | undefined = undefined
  #exit: ReleaseExit | undefined = undefined
  /** The release that is waited for. */
  #pending: Promise<unknown> | undefined = undefined
  #onFulfilled: ((value: unknown) => unknown) | undefined = undefined
  #onRejected: ((error: unknown) => unknown) | undefined = undefined
  /** Counts the pairs of listeners: what an older one hears comes too late. */
  #listening = 0
  /** How many looks at what is pending are still to come. */
  #looks = 0
  /** Made for a release that takes longer than a turn. */
  #patience: Patience | undefined = undefined
  #value: unknown = undefined
  #running = false
  #ended = false
  #resolve: Resolve | undefined = undefined
  #reject: Reject | undefined = undefined

  constructor(owner: Unwindable, completion: Completion, late: boolean) {
    this.#owner = owner
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

  /** Takes out what was entered after `mark`: the newest, which leads to the others. */
  takeAfter(mark: Finalizer | undefined): Finalizer | undefined {
    const { newest } = this
    for (let at = newest; at !== undefined && at !== mark; at = this.newest) {
      this.newest = at.next
      if (this.newest === mark) at.next = undefined
    }
    return this.newest === newest ? undefined : newest
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

  /**
   * Run `body`, then release everything; settles as `body` did and the releases changed it. The promise is derived from
   * the body's, which keeps the callers in the stack of whatever `body` throws.
   */
  run<S, R>(body: (owner: S) => MaybePromise<R>, owner: S): Promise<R> {
    this.#running = true
    this.#listen(bodys)
    // The body may close its scope, whose releases get listeners of their own.
    const [onFulfilled, onRejected] = [this.#onFulfilled, this.#onRejected]
    // What comes out in the end is what the body gave.
    return begin(body, owner).then(onFulfilled, onRejected) as Promise<R>
  }

  /** Release everything, where there is no body. */
  close(): Promise<void> {
    // Without a body there is no value.
    if (!this.#begin()) return Promise.resolve(this.#look()) as Promise<void>
    try {
      this.#outcome()
      return Promise.resolve()
    } catch (error) {
      // Whatever was thrown is passed on.
      return Promise.reject(error)
    }
  }

  /**
   * Being a thenable is how the promise that was given out settles, and how a pending release is looked at again: whoever
   * resolves a promise with this makes the engine call it one turn of the microtask queue later.
   */
  // oxlint-disable-next-line unicorn/no-thenable -- see above; nobody outside of this file is given one
  then(resolve: Resolve, reject: Reject): void {
    if (this.#resolve === undefined) {
      this.#resolve = resolve
      this.#reject = reject
      if (this.#ended) this.#deliver()
    }
    this.#looks -= 1
    // What is pending now may have begun only after this look was asked for; then another one follows.
    if (this.#looks === 0 && this.#pending !== undefined) this.#bePatient()
  }

  #bodyEnded(value: unknown, failure: Failure | undefined): unknown {
    this.#running = false
    if (failure !== undefined || !this.#owner.succeed()) return this.#bodySettled(value, failure)
    this.#value = value
    return this.#releaseAll() ? this.#outcome() : this.#look()
  }

  #bodySettled(value: unknown, failure: Failure | undefined): unknown {
    const ended = this.#owner.settle(failure)
    if (ended !== undefined) return ended.then(() => unwrap(value, failure))
    this.#value = value
    return this.#begin() ? this.#outcome() : this.#look()
  }

  /** @returns whether everything is released */
  #begin(): boolean {
    const draining = this.#owner.drain()
    if (draining === undefined) return this.#releaseAll()
    const goOn = (): unknown => this.#goOn()
    draining.then(goOn, goOn)
    return false
  }

  /** Up to the first release that has to be waited for. */
  #releaseAll(): boolean {
    for (let finalizer = this.#pop(); finalizer !== undefined; finalizer = this.#pop()) {
      try {
        const release = finalizer.invoke(finalizer, this)
        if (isThenable(release)) {
          this.#waitFor(Promise.resolve(release))
          return false
        }
      } catch (error) {
        this.#fail(finalizer, error)
      }
    }
    this.#ended = true
    this.#owner.finish()
    return true
  }

  #pop(): Finalizer | undefined {
    const finalizer = this.newest
    if (released.hasSubscribers || detection.followed > 0) this.#tellReleased()
    if (finalizer !== undefined) this.newest = finalizer.next
    this.#current = finalizer
    this.#exit = undefined
    return finalizer
  }

  #waitFor(release: Promise<unknown>): void {
    this.#pending = release
    // While the body runs, its listeners wait for the body.
    if (this.#onFulfilled === undefined || this.#running) this.#listen(this.#listening + 1)
    void release.then(this.#onFulfilled, this.#onRejected)
    if (timersAreReplaced()) this.#bePatient()
  }

  /** One pair for the body and all releases; another one where the old one may still hear something else. */
  #listen(listening: number): void {
    this.#listening = listening
    this.#onFulfilled = (value) => this.#heard(listening, value, undefined)
    this.#onRejected = (error) => this.#heard(listening, undefined, { error })
  }

  #heard(listening: number, value: unknown, failure: Failure | undefined): unknown {
    if (this.#running && listening === bodys) return this.#bodyEnded(value, failure)
    if (listening !== this.#listening) return undefined
    if (failure !== undefined && this.#current !== undefined)
      this.#fail(this.#current, failure.error)
    return this.#goOn()
  }

  /** What was waited for is over. Called by a promise that nobody else sees. */
  #goOn(): unknown {
    this.#pending = undefined
    if (this.#patience !== undefined) this.#patience.stop()
    if (!this.#releaseAll()) return this.#look()
    if (this.#resolve !== undefined) this.#deliver()
    return undefined
  }

  #look(): this {
    this.#looks += 1
    return this
  }

  #deliver(): void {
    if (this.completion.throws && !this.#late) this.#reject?.(this.completion.error)
    else this.#resolve?.(this.#outcome())
  }

  /** @throws what the completion owes to whoever waits */
  #outcome(): unknown {
    const value = this.#value
    this.#value = undefined
    if (this.completion.throws && !this.#late) throw this.completion.error
    return value
  }

  #tellAcquired(finalizer: Finalizer): void {
    if (this.#owner.scope !== undefined) tellAcquired(this.#owner.scope, finalizer)
  }

  /** The current one is released, and the next one begins. */
  #tellReleased(): void {
    const { scope } = this.#owner
    if (scope === undefined) return
    if (this.#current !== undefined) tellReleased(scope, this.#current)
    if (this.newest !== undefined) tellReleasing(this.newest)
  }

  #bePatient(): void {
    this.#patience ??= new Patience(() => this.#overrun())
    if (this.#current !== undefined) this.#patience.begin(this.#timeFor(this.#current))
  }

  #timeFor({ traits }: Finalizer): number {
    return traits?.disposeTimeout ?? this.#owner.disposeTimeout
  }

  /** The release had its time; now its `destroy` has as much. */
  #overrun(): void {
    const finalizer = this.#current
    if (finalizer === undefined) return
    const { name } = finalizer
    const ms = this.#timeFor(finalizer)
    this.#listen(this.#listening + 1)
    this.#pending?.catch((error: unknown) => this.#owner.report(plain(error), name, true))
    const overrun = new DisposeTimeoutError(name, ms)
    tellTimeout(this.#owner.scope, name, 'release', ms)
    this.#fail(finalizer, overrun)
    this.#exit?.expire(overrun)
    void this.#destroy(finalizer, overrun, ms).then(() => this.#goOn())
  }

  #destroy(finalizer: Finalizer, why: DisposeTimeoutError, ms: number): Promise<void> {
    // After an abandoned body, destroying was the release.
    if (this.completion.abandoned) return Promise.resolve()
    const onLate = (error: unknown): void => this.#owner.report(plain(error), finalizer.name, true)
    return destroy(finalizer, why, ms, onLate).catch((error: unknown) =>
      this.#fail(finalizer, error),
    )
  }

  /** A failing release that is not critical is reported; any other becomes part of the completion. */
  #fail(finalizer: Finalizer, error: unknown): void {
    if (this.#late || finalizer.traits?.critical === false) {
      this.#owner.report(plain(error), finalizer.name, this.#late)
    } else {
      this.completion = this.completion.add(error, finalizer.name)
    }
  }
}

/** The body's promise, or one for its value; native, so that it can be relied upon. */
function begin<S, R>(body: (owner: S) => MaybePromise<R>, owner: S): Promise<R> {
  try {
    return Promise.resolve(body(owner))
  } catch (error) {
    // Whatever was thrown is passed on.
    return Promise.reject(error)
  }
}

function unwrap(value: unknown, failure: Failure | undefined): unknown {
  if (failure !== undefined) throw failure.error
  return value
}
