/**
 * The one loop that unwinds a list: last in, first out, one at a time, each exactly once, whatever the others do. Every
 * error ends up in the completion; none stops the loop. It goes on in the callbacks of what it waits for, because an
 * async function cannot be called away from a release that never ends (docs/decisions/driven-by-callbacks.md).
 */
import { plain, type Completion, type ReleaseExit } from './completion.ts'
import { detection } from './detection.ts'
import { isThenable } from './dispose.ts'
import { DisposeTimeoutError } from './errors.ts'
import { released } from './events.ts'
import type { Finalizer, List } from './finalizers.ts'
import { Patience, timersAreReplaced } from './patience.ts'
import { tellReleased, tellReleasing, tellTimeout } from './telling.ts'

/** Whoever has a list: what it holds, and how things ended, as changed by the releases that already ran. */
export interface Unwindable extends List {
  completion: Completion
  /** What that one was shown of the completion, if it looked. */
  shown: ReleaseExit | undefined
  /** Made for the first release that has to be waited for. */
  waiting: Waiting | undefined
  /** The body that it ends with has not settled. */
  running: boolean
  /** What listens to what is waited for: the body, and then each release. */
  onFulfilled: ((value: unknown) => unknown) | undefined
  onRejected: ((error: unknown) => unknown) | undefined
  /** Counts those pairs: what an older one hears comes too late. The first one is numbered 0. */
  listening: number
  /** Milliseconds for a release that sets none of its own. */
  readonly disposeTimeout: number
  /** Nobody waits for the result any more: what fails is reported. */
  readonly late: boolean
  /** Takes what cannot be thrown. */
  report(error: unknown, resource: string | undefined, late: boolean): void
  /** No new work from now on; a promise where some must end before the first release. */
  drain(): Promise<void> | undefined
  /** Everything is released. */
  finish(): void
}

/** Release everything, where there is no body. */
export function unwind(list: Unwindable): Promise<void> {
  // Without a body there is no value.
  if (!begin(list)) return Promise.resolve(pendingEnd(list, undefined)) as Promise<void>
  try {
    outcome(list, undefined)
    return Promise.resolve()
  } catch (error) {
    // Whatever was thrown is passed on.
    return Promise.reject(error)
  }
}

/** @returns whether everything is released */
export function begin(list: Unwindable): boolean {
  const draining = list.drain()
  if (draining === undefined) return releaseAll(list)
  list.waiting ??= new Waiting(list)
  const drained = (): unknown => goOn(list)
  draining.then(drained, drained)
  return false
}

/** Up to the first release that has to be waited for. @returns whether everything is released */
export function releaseAll(list: Unwindable): boolean {
  for (;;) {
    const finalizer = list.newest
    if (released.hasSubscribers || detection.followed > 0) tellNext(list)
    list.current = finalizer
    list.shown = undefined
    if (finalizer === undefined) break
    list.newest = finalizer.next
    try {
      const release = finalizer.invoke(finalizer, list)
      if (isThenable(release)) {
        waitFor(list, Promise.resolve(release))
        return false
      }
    } catch (error) {
      fail(list, finalizer, error)
    }
  }
  list.finish()
  return true
}

/**
 * What a promise is to be resolved with when not everything is released yet: it settles when that is done, as `outcome`.
 */
export function pendingEnd(list: Unwindable, value: unknown): Waiting {
  // There is something to wait for.
  const waiting = list.waiting as Waiting
  waiting.value = value
  return look(waiting)
}

/** @throws what the completion owes to whoever waits */
export function outcome<V>({ completion, late }: Unwindable, value: V): V {
  if (completion.throws && !late) throw completion.error
  return value
}

/** The current one is released, and the next one begins. */
function tellNext({ scope, current, newest }: Unwindable): void {
  if (scope === undefined) return
  if (current !== undefined) tellReleased(scope, current)
  if (newest !== undefined) tellReleasing(newest)
}

/** A failing release that is not critical is reported; any other becomes part of the completion. */
function fail(list: Unwindable, { traits, name }: Finalizer, error: unknown): void {
  if (list.late || traits?.critical === false) list.report(plain(error), name, list.late)
  else list.completion = list.completion.add(error, name)
}

function waitFor(list: Unwindable, release: Promise<unknown>): void {
  list.waiting ??= new Waiting(list)
  list.waiting.pending = release
  // While a body runs, its listeners wait for that.
  if (list.onFulfilled === undefined || list.running) listen(list)
  void release.then(list.onFulfilled, list.onRejected)
  if (timersAreReplaced()) bePatient(list.waiting)
}

function listen(list: Unwindable): void {
  list.listening += 1
  const { listening } = list
  list.onFulfilled = () => heard(list, listening)
  list.onRejected = (error) => heardFailure(list, listening, error)
}

export function heard(list: Unwindable, listening: number): unknown {
  return listening === list.listening ? goOn(list) : undefined
}

export function heardFailure(list: Unwindable, listening: number, error: unknown): unknown {
  if (listening !== list.listening) return undefined
  if (list.current !== undefined) fail(list, list.current, error)
  return goOn(list)
}

/**
 * The wait for releases. Being a thenable is how the promise that was given out settles, and how a pending release is
 * looked at again: whoever resolves a promise with this makes the engine call `then` one turn of the microtask queue
 * later.
 */
export class Waiting {
  readonly list: Unwindable
  value: unknown = undefined
  /** The release that is waited for. */
  pending: Promise<unknown> | undefined = undefined
  /** That is its `destroy`, because it took too long itself. */
  destroying = false
  /** How many looks at what is pending are still to come. */
  looks = 0
  /** Made for a release that takes longer than a turn. */
  patience: Patience | undefined = undefined
  ended = false
  resolve: ((value: unknown) => void) | undefined = undefined
  reject: ((error: unknown) => void) | undefined = undefined

  constructor(list: Unwindable) {
    this.list = list
  }

  // oxlint-disable-next-line unicorn/no-thenable -- see above; nobody outside of the core is given one
  then(resolve: (value: unknown) => void, reject: (error: unknown) => void): void {
    this.looks -= 1
    if (this.resolve === undefined) {
      this.resolve = resolve
      this.reject = reject
      if (this.ended) deliver(this)
    }
    // What is pending now may have begun only after this look was asked for; then another one follows.
    if (this.looks === 0 && this.pending !== undefined) bePatient(this)
  }
}

/** What was waited for is over. Called by a promise that nobody else sees. */
function goOn(list: Unwindable): unknown {
  // There was something to wait for.
  const waiting = list.waiting as Waiting
  waiting.pending = undefined
  waiting.destroying = false
  if (waiting.patience !== undefined) waiting.patience.stop()
  if (!releaseAll(list)) return look(waiting)
  waiting.ended = true
  if (waiting.resolve !== undefined) deliver(waiting)
  return undefined
}

/** To be given to a promise, which then looks. */
function look(waiting: Waiting): Waiting {
  waiting.looks += 1
  return waiting
}

function deliver(waiting: Waiting): void {
  const { value } = waiting
  const { completion, late } = waiting.list
  waiting.value = undefined
  if (completion.throws && !late) waiting.reject?.(completion.error)
  else waiting.resolve?.(value)
}

function bePatient(waiting: Waiting): void {
  waiting.patience ??= new Patience(() => overrun(waiting))
  const { list } = waiting
  if (list.current !== undefined) waiting.patience.begin(timeFor(list, list.current))
}

function timeFor({ disposeTimeout }: Unwindable, { traits }: Finalizer): number {
  return traits?.disposeTimeout ?? disposeTimeout
}

/** The release had its time. Now its `destroy` has as much, and after that nothing is waited for. */
function overrun(waiting: Waiting): void {
  const { list, pending, destroying } = waiting
  // Somebody waits for it.
  const finalizer = list.current as Finalizer
  const { name } = finalizer
  const ms = timeFor(list, finalizer)
  listen(list)
  pending?.catch((error: unknown) => list.report(plain(error), name, true))
  const why = new DisposeTimeoutError(destroying ? `destroy of ${name}` : name, ms)
  fail(list, finalizer, why)
  if (!destroying) {
    tellTimeout(list.scope, name, 'release', ms)
    list.shown?.expire(why)
    if (destroy(waiting, finalizer, why)) return
  }
  // Not here: what a timer calls is no promise, which would look.
  void Promise.resolve().then(() => goOn(list))
}

/** The forceful way, where there is one. @returns whether it has to be waited for */
function destroy(waiting: Waiting, finalizer: Finalizer, why: DisposeTimeoutError): boolean {
  const { list } = waiting
  // After an abandoned body, destroying was the release.
  if (list.completion.abandoned) return false
  try {
    // The type of the value follows from where it comes from, which the compiler does not see.
    const destroying = finalizer.traits?.destroy?.(finalizer.value as never, why)
    if (!isThenable(destroying)) return false
    waiting.destroying = true
    waiting.patience?.stop()
    waitFor(list, Promise.resolve(destroying))
    bePatient(waiting)
    return true
  } catch (error) {
    fail(list, finalizer, error)
    return false
  }
}
