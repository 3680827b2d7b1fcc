/**
 * The one loop that unwinds a list: last in, first out, one at a time, each exactly once, whatever the others do. Every
 * error ends up in the completion; none stops the loop. It goes on in the callbacks of what it waits for, because an
 * async function cannot be called away from a release that never ends (docs/decisions/driven-by-callbacks.md).
 */
import { plain, type Completion, type ReleaseExit } from './completion.ts'
import { after, roughNow } from './deadline.ts'
import { detection } from './watching/detection.ts'
import { isEcho, isThenable, promiseOf } from './dispose.ts'
import { DisposeTimeoutError } from './errors/errors.ts'
import { released } from './watching/events.ts'
import type { Ending, Finalizer, List } from './finalizers.ts'
import { timeFor, timersAreReplaced, turns } from './patience.ts'
import { tellReleased, tellTimeout } from './watching/telling.ts'

/** Whoever has a list: what it holds, and how things ended, as changed by the releases that already ran. */
export interface Unwindable extends List {
  completion: Completion
  /** Made for the first release, for what has to end before it, or for who waits; dropped when everything is released. */
  unwinding: Unwinding | undefined
  /** The body that it ends with, if there is one, has not settled. */
  readonly running?: boolean
  /** What listens to what is waited for: the body, and then each release. */
  onFulfilled: ((value: unknown) => unknown) | undefined
  onRejected: ((error: unknown) => unknown) | undefined
  /** Milliseconds for a release that sets none of its own. */
  readonly disposeTimeout: number
  /** Nobody waits for the result any more: what fails is reported. */
  readonly late?: boolean
  /** Takes what cannot be thrown. */
  report(error: unknown, resource: string | undefined, late: boolean): void
  /** Everything is released: it drops its unwinding. */
  finish(): void
}

/**
 * Release everything, where there is no body.
 * @param draining what must end before the first release
 */
export function unwind(list: Unwindable, draining?: Promise<void>): Promise<void> {
  try {
    // Without a body there is no value.
    return Promise.resolve(unwindTo(list, undefined, draining)) as Promise<void>
  } catch (error) {
    // Whatever was thrown is passed on.
    return Promise.reject(error)
  }
}

/**
 * @returns `value` where everything is released; else what a promise is to be resolved with, which then settles when that is
 *   done, in the same way
 * @throws what the completion owes to whoever waits
 */
export function unwindTo(list: Unwindable, value: unknown, draining?: Promise<void>): unknown {
  if (draining !== undefined) goOnAfter(draining, unwindingOf(list))
  else if (releaseAll(list)) return outcome(list, value)
  // There is something to wait for.
  const unwinding = list.unwinding as Unwinding
  unwinding.value = value
  return look(unwinding)
}

function outcome({ completion, late }: Unwindable, value: unknown): unknown {
  if (completion.throws && !late) throw completion.error
  return value
}

/** Of its own: a function that makes a closure pays for that with each call, also where it returns before. */
function goOnAfter(draining: Promise<void>, unwinding: Unwinding): void {
  const drained = (): unknown => goOn(unwinding)
  draining.then(drained, drained)
}

/** Up to the first release that has to be waited for. @returns whether everything is released */
export function releaseAll(list: Unwindable): boolean {
  return list.newest === undefined ? end(list, list.unwinding) : releaseNext(unwindingOf(list))
}

/**
 * Resolves when everything is released; never rejects. A promise of its own for each caller, so that an error of the
 * promise that the first caller got is not taken for handled.
 */
export function whenEnded(list: Unwindable & { readonly disposed: boolean }): Promise<void> {
  if (list.disposed) return Promise.resolve()
  const unwinding = unwindingOf(list)
  return new Promise((resolve) => {
    ;(unwinding.waiting ??= []).push(resolve)
  })
}

function unwindingOf(list: Unwindable): Unwinding {
  return (list.unwinding ??= new Unwinding(list))
}

function end(list: Unwindable, unwinding: Unwinding | undefined): true {
  list.finish()
  if (unwinding?.waiting !== undefined) for (const tell of unwinding.waiting) tell()
  return true
}

function releaseNext(unwinding: Unwinding): boolean {
  const { list } = unwinding
  for (;;) {
    const isTold = released.hasSubscribers || detection.followed > 0
    if (isTold) tellCurrent(unwinding)
    // Not before: who was told may have registered another.
    const finalizer = list.newest
    unwinding.current = finalizer
    unwinding.begun = isTold ? roughNow() : undefined
    unwinding.shown = undefined
    if (finalizer === undefined) break
    list.newest = finalizer.next
    try {
      const release = finalizer.invoke(finalizer, unwinding)
      if (isThenable(release)) {
        waitFor(unwinding, promiseOf(release))
        return false
      }
    } catch (error) {
      fail(list, finalizer, error)
    }
  }
  return end(list, unwinding)
}

/** It is released, before the next one begins. */
function tellCurrent({ list, current, begun }: Unwinding): void {
  if (list.scope !== undefined && current !== undefined) tellReleased(list.scope, current, begun)
}

/** A failing release that is not critical is reported; any other becomes part of the completion. */
function fail(list: Unwindable, { traits, name }: Finalizer, error: unknown): void {
  if (list.late || traits?.critical === false) list.report(plain(error), name, list.late === true)
  else list.completion = list.completion.add(error, name)
}

function waitFor(unwinding: Unwinding, release: Promise<unknown>): void {
  const { list } = unwinding
  unwinding.pending = release
  unwinding.turnsLeft = turns
  // While a body runs, its listeners wait for that.
  if (list.onFulfilled === undefined || list.running) listen(unwinding)
  void release.then(list.onFulfilled, list.onRejected)
  if (timersAreReplaced()) bePatient(unwinding)
}

function listen(unwinding: Unwinding): void {
  const { list } = unwinding
  unwinding.listening += 1
  const { listening } = unwinding
  list.onFulfilled = () => heard(list, listening)
  list.onRejected = (error) => heardFailure(list, listening, error)
}

export function heard({ unwinding }: Unwindable, listening: number): unknown {
  return unwinding?.listening === listening ? goOn(unwinding) : undefined
}

export function heardFailure(list: Unwindable, listening: number, error: unknown): unknown {
  const { unwinding } = list
  if (unwinding?.listening !== listening) return undefined
  if (unwinding.current !== undefined) fail(list, unwinding.current, error)
  return goOn(unwinding)
}

/**
 * The unwinding of one list: what is being released, and the wait for it. Being a thenable is how the promise that was
 * given out settles, and how a pending release is looked at again: whoever resolves a promise with this makes the engine
 * call `then` one turn of the microtask queue later.
 */
export class Unwinding implements Ending {
  readonly list: Unwindable
  /** What is being released. */
  current: Finalizer | undefined = undefined
  /** When that began, on the clock of `roughNow`, where somebody looks at it. */
  begun: number | undefined = undefined
  /** What that was shown of the completion, if it looked. */
  shown: ReleaseExit | undefined = undefined
  /** What the promise is fulfilled with. */
  value: unknown = undefined
  /** The release that is waited for. */
  pending: Promise<unknown> | undefined = undefined
  /** That is its `destroy`, because it took too long itself. */
  destroying = false
  /** Counts the pairs that listen: what an older one hears comes too late. The one of a body is numbered 0. */
  listening = 0
  /** How many looks at what is pending are still to come. */
  looks = 0
  /** How many turns what is pending still has; then it has a timer. */
  turnsLeft = 0
  stopTimer: (() => void) | undefined = undefined
  /** Those who wait for the end alone. */
  waiting: (() => void)[] | undefined = undefined
  resolve: ((value: unknown) => void) | undefined = undefined
  reject: ((error: unknown) => void) | undefined = undefined

  constructor(list: Unwindable) {
    this.list = list
  }

  get completion(): Completion {
    return this.list.completion
  }

  // oxlint-disable-next-line unicorn/no-thenable -- see above; nobody outside of the core is given one
  then(resolve: (value: unknown) => void, reject: (error: unknown) => void): void {
    this.looks -= 1
    if (this.resolve === undefined) {
      this.resolve = resolve
      this.reject = reject
      if (this.list.unwinding !== this) deliver(this)
    }
    bePatient(this)
  }
}

/** What was waited for is over. Called by a promise that nobody else sees. */
function goOn(unwinding: Unwinding): unknown {
  unwinding.destroying = false
  unwinding.stopTimer?.()
  unwinding.stopTimer = undefined
  if (!releaseNext(unwinding)) return look(unwinding)
  if (unwinding.resolve !== undefined) deliver(unwinding)
  return undefined
}

/** To be given to a promise, which then looks. */
function look(unwinding: Unwinding): Unwinding {
  unwinding.looks += 1
  return unwinding
}

function deliver(unwinding: Unwinding): void {
  const { list, value } = unwinding
  unwinding.value = undefined
  try {
    unwinding.resolve?.(outcome(list, value))
  } catch (error) {
    unwinding.reject?.(error)
  }
}

/** Most releases settle within a few turns, which cost less than a timer; under those of a test there is one at once. */
function bePatient(unwinding: Unwinding): void {
  const { list, current } = unwinding
  if (unwinding.stopTimer !== undefined || current === undefined) return
  if (unwinding.turnsLeft === 0 || timersAreReplaced()) {
    unwinding.stopTimer = after(timeFor(list, current), () => overrun(unwinding))
  } else if (unwinding.looks === 0) {
    // Else what is pending may have begun after those looks were asked for, of which the last one is still to come.
    unwinding.turnsLeft -= 1
    void Promise.resolve(look(unwinding))
  }
}

/** The release had its time. Now its `destroy` has as much, and after that nothing is waited for. */
function overrun(unwinding: Unwinding): void {
  const { list, pending, destroying } = unwinding
  // Somebody waits for it.
  const finalizer = unwinding.current as Finalizer
  const { name } = finalizer
  unwinding.stopTimer = undefined
  const ms = timeFor(list, finalizer)
  listen(unwinding)
  const why = new DisposeTimeoutError(destroying ? `destroy of ${name}` : name, ms)
  pending?.catch((error: unknown) => {
    // Its signal says the same: whoever heeds that has no news.
    if (!isEcho(plain(error), why)) list.report(plain(error), name, true)
  })
  fail(list, finalizer, why)
  if (!destroying) {
    tellTimeout(list.scope, name, 'release', ms)
    unwinding.shown?.expire(why)
    if (destroy(unwinding, finalizer, why)) return
  }
  // Not here: what a timer calls is no promise, which would look.
  void Promise.resolve().then(() => goOn(unwinding))
}

/** The forceful way, where there is one. @returns whether it has to be waited for */
function destroy(unwinding: Unwinding, finalizer: Finalizer, why: DisposeTimeoutError): boolean {
  const { list } = unwinding
  // After an abandoned body, destroying was the release.
  if (list.completion.abandoned) return false
  try {
    // The type of the value follows from where it comes from, which the compiler does not see.
    const destroying = finalizer.traits?.destroy?.(finalizer.value as never, why)
    if (!isThenable(destroying)) return false
    unwinding.destroying = true
    waitFor(unwinding, promiseOf(destroying))
    bePatient(unwinding)
    return true
  } catch (error) {
    fail(list, finalizer, error)
    return false
  }
}
