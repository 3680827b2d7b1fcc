/**
 * The one AsyncLocalStorage and what it stores. A scope becomes ambient here and nowhere else, and only around a
 * callback, so that nothing leaks into a caller. The storage is shared by every copy of this package in the process.
 */
import { AsyncLocalStorage, AsyncResource, executionAsyncId } from 'node:async_hooks'
import type { Instance } from './resources/instance.ts'
import { place } from './place.ts'
import type { Resource, Scope } from './types.ts'

/** What is ambient: a scope, or an acquisition inside one, whose `get` also records the dependency. */
export interface Ambient {
  readonly scope: Scope
  /** Closing the scope waits for whoever runs in this. */
  readonly awaited?: boolean
  /** What is being acquired here, or runs this while it is, and then may wait for it. */
  readonly neededBy?: Instance | undefined
  get<T>(resource: Resource<T>): Promise<T>
}

/** Ambient inside what its scope waits for: a task, or the release of what came too late. */
export class AwaitedContext implements Ambient {
  readonly scope: Scope
  neededBy: Instance | undefined
  awaited = true

  constructor(scope: Scope, neededBy?: Instance) {
    this.scope = scope
    this.neededBy = neededBy
  }

  get<T>(resource: Resource<T>): Promise<T> {
    return this.scope.get(resource)
  }

  /** Nobody waits any more. What it left running keeps this, and must keep nothing else by it. */
  end(): void {
    this.awaited = false
    this.neededBy = undefined
  }
}

// A registered symbol cannot be declared unique.
const key: unique symbol = Symbol.for('unwind.ambient') as never
const copiesKey: unique symbol = Symbol.for('unwind.copies') as never
// The one place where copies of this package meet.
const shared = globalThis as { [key]?: AsyncLocalStorage<Ambient>; [copiesKey]?: string[] }
const storage = (shared[key] ??= new AsyncLocalStorage<Ambient>())

/** Where each was loaded from. What one records of what it holds, the others do not see. */
export const copies: string[] = (shared[copiesKey] ??= [])
copies.push(place)

/** A closed scope stays ambient for what it left running: using it says so instead of falling back to another. */
export function ambient(): Ambient | undefined {
  return storage.getStore()
}

/** How many acquisitions have begun and not ended. While there are none, nobody has to look. */
export const underway = { count: 0 }

/** What is being acquired where the caller is: as a rule it will not be there before the caller has ended. */
export function aroundCaller(): Instance | undefined {
  const around = underway.count === 0 ? undefined : ambient()?.neededBy
  // What was started there may go on.
  return around?.state === 'acquiring' ? around : undefined
}

/** What becomes ambient for `scope`: what is it already, where the caller is in there, whom it waits for. */
export function ambientIn(scope: Ambient): Ambient {
  const current = ambient()
  return current?.awaited === true && current.scope === scope.scope ? current : scope
}

/** A place to come back to: the context of the moment at which it was made. */
export type Frame = AsyncResource

export function openFrame(): Frame {
  // The default, said: so that no options are looked at.
  return new AsyncResource('UnwindScope', executionAsyncId())
}

/** The context in which this module was loaded: of no request. */
export const outermostFrame: Frame = openFrame()

/**
 * Call `body` in the context of `frame`, with `inner` ambient. Two copies of the context map fewer than
 * `AsyncLocalStorage.run`, and without its trace in the caller's context: leaving the frame restores what was there.
 */
export function enterFrame<A, B, R>(
  frame: Frame,
  inner: Ambient,
  body: (a: A, b: B) => R,
  a: A,
  b: B,
): R {
  return frame.runInAsyncScope(enter<A, B, R>, undefined, inner, body, a, b)
}

/** The same for a function of nothing. */
export function callInFrame<R>(frame: Frame, inner: Ambient, body: () => R): R {
  return enterFrame(frame, inner, call<R>, body, undefined)
}

function call<R>(body: () => R): R {
  return body()
}

/**
 * Whether leaving a frame restores what was current. Where contexts are no frames, the store is on the resource itself and
 * stays there: on Node.js 22, and later with `--no-async-context-frame`. No flag and no version tells of both.
 */
const framesRestore = restoresContext(openFrame())

function restoresContext(frame: Frame): boolean {
  const probe = new AsyncLocalStorage<true>()
  frame.runInAsyncScope(() => probe.enterWith(true))
  const restores = frame.runInAsyncScope(() => probe.getStore()) === undefined
  // Without frames each promise is dearer while there is a storage that was used.
  probe.disable()
  return restores
}

/**
 * Call `first` in a frame that was made here and now. Of its own, so that the engine knows what is called; and Node.js 22
 * needs not come back to a frame that it is still in.
 */
export function enterOpening<S extends Ambient, A, R>(
  frame: Frame,
  inner: S,
  first: (inner: S, a: A) => R,
  a: A,
): R {
  return framesRestore
    ? frame.runInAsyncScope(openHere<S, A, R>, undefined, inner, first, a)
    : storage.run(inner, first, inner, a)
}

function openHere<S extends Ambient, A, R>(inner: S, first: (inner: S, a: A) => R, a: A): R {
  storage.enterWith(inner)
  return first(inner, a)
}

function enter<A, B, R>(inner: Ambient, body: (a: A, b: B) => R, a: A, b: B): R {
  // A resource for this entry alone: what the body changes in its context must not stay in the frame.
  return framesRestore
    ? enterHere(inner, body, a, b)
    : openFrame().runInAsyncScope(enterHere<A, B, R>, undefined, inner, body, a, b)
}

function enterHere<A, B, R>(inner: Ambient, body: (a: A, b: B) => R, a: A, b: B): R {
  storage.enterWith(inner)
  return body(a, b)
}
