/**
 * What must be released: each entry of a list knows how its release is called, with what, and since when it is held.
 */
import { ReleaseExit, type Completion } from './completion.ts'
import { roughNow } from './deadline.ts'
import { detection } from './watching/detection.ts'
import { attempt } from './errors/attempt.ts'
import { asyncDisposer, isObject, isThenable, syncDisposer, type Method } from './dispose.ts'
import type { DisposeTimeoutError } from './errors/errors.ts'
import { acquired, released } from './watching/events.ts'
import { describe } from './options.ts'
import { tellAcquired, tellReleased, type Entry } from './watching/telling.ts'
import type { Exit, Lifetime, Scope } from './types.ts'

/** What a release may say about itself. A resource definition is one. */
export interface Traits {
  readonly name: string
  readonly lifetime?: Lifetime
  readonly disposeTimeout?: number | undefined
  readonly critical?: boolean | undefined
  readonly destroy?: ((value: never, why: DisposeTimeoutError) => unknown) | undefined
}

/** What an entry came of. */
export interface Source {
  readonly definition: Traits
  /** When its acquisition began. */
  readonly since?: number
}

/** The unwinding of a list, as a release sees it: it says how things end. */
export interface Ending {
  readonly completion: Completion
  shown: ReleaseExit | undefined
}

/** What is to be released, last in, first out. */
export interface List {
  /** The next one to be released, which leads to the others. */
  newest: Finalizer | undefined
  readonly unwinding: { readonly current: Finalizer | undefined } | undefined
  /** The scope that it is, if it is one. */
  readonly scope: Scope | undefined
}

type Invoke = (finalizer: Finalizer, ending: Ending) => unknown

/** One entry: how to call it, with what. All kinds share one shape, which keeps the loop's call site fast. */
export class Finalizer implements Entry {
  next: Finalizer | undefined = undefined
  readonly invoke: Invoke
  readonly value: unknown
  readonly method: Method
  readonly source: Source | undefined
  /** When it was entered, on the clock of `roughNow`. */
  readonly since: number = roughNow()

  constructor(invoke: Invoke, value: unknown, method: Method, source: Source | undefined) {
    this.invoke = invoke
    this.value = value
    this.method = method
    this.source = source
  }

  get traits(): Traits | undefined {
    return this.source?.definition
  }

  get name(): string {
    const { traits, value, method, invoke } = this
    // What is released may refuse to be looked at by now, and a class may have something else by that name.
    const own = (): unknown[] => [isObject(value) && value.constructor?.name, method.name]
    return traits?.name ?? attempt(own)?.find(isName) ?? nameless.get(invoke) ?? 'a disposable'
  }
}

function isName(given: unknown): given is string {
  return typeof given === 'string' && given !== ''
}

/** The disposer of handles that know a name and a bound for their release: see lease.ts. */
let known: Method | undefined
let sourceOf: (handle: object) => Source | undefined

export function knowDisposer(method: Method, source: typeof sourceOf): void {
  known = method
  sourceOf = source
}

/**
 * What disposing `value` means, looked up now: replacing the method later changes nothing.
 * @throws {TypeError} if there is no such method
 */
export function disposalOf(value: unknown): Finalizer {
  if (isObject(value)) {
    const method = asyncDisposer(value)
    if (method !== undefined) {
      const source = method === known ? sourceOf(value) : undefined
      return new Finalizer(callAsyncDisposer, value, method, source)
    }
    const sync = syncDisposer(value)
    if (sync !== undefined) return new Finalizer(callSyncDisposer, value, sync, undefined)
  }
  const advice = isThenable(value)
    ? 'Await it first: use(await …).'
    : 'For anything else: adopt(value, release).'
  throw new TypeError(
    `Expected the argument of use() to have [Symbol.asyncDispose]() or [Symbol.dispose](), received ${describe(value)}. ${advice}`,
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
export function callRelease({ method, value }: Finalizer, ending: Ending): unknown {
  return (method as (value: unknown, exit: Exit) => unknown)(value, exitOf(ending))
}

/** A release function of what no scope holds, which sees the value alone. */
export function callWithValue({ method, value }: Finalizer): unknown {
  return (method as (value: unknown) => unknown)(value)
}

/** For the release that runs now; made only for those that look. */
export function exitOf(ending: Ending): Exit {
  ending.shown = new ReleaseExit(ending.completion)
  // Its constructor sets exactly the fields of its status, which the compiler cannot see.
  return ending.shown as unknown as Exit
}

/** A deferred callback, which sees the exit alone. */
export function callDeferred({ method }: Finalizer, ending: Ending): unknown {
  return (method as (exit: Exit) => unknown)(exitOf(ending))
}

/** What is told of an entry that neither its value nor its function gives a name to. */
const nameless = new Map<Invoke, string>([
  [callRelease, 'an adopted value'],
  [callDeferred, 'a deferred callback'],
])

export function push(list: List, finalizer: Finalizer): void {
  link(list, finalizer)
  tellPushed(list, finalizer)
}

function link(list: List, finalizer: Finalizer): void {
  finalizer.next = list.newest
  list.newest = finalizer
}

/**
 * To be released after all of `others` that are still there, but in any case before what it needs itself.
 * @param needs whether it needs what that releases
 */
export function pushBelow(
  list: List,
  finalizer: Finalizer,
  others: ReadonlySet<Finalizer>,
  needs: (entry: Finalizer) => boolean,
): void {
  let above: Finalizer | undefined
  for (let at = list.newest; at !== undefined && !needs(at); at = at.next) {
    if (others.has(at)) above = at
  }
  if (above === undefined) {
    push(list, finalizer)
    return
  }
  finalizer.next = above.next
  above.next = finalizer
  tellPushed(list, finalizer)
}

function tellPushed({ scope }: List, finalizer: Finalizer): void {
  if (acquired.hasSubscribers || detection.watching) {
    if (scope !== undefined) tellAcquired(scope, finalizer)
  }
}

/** Those of `entries` that are still to be released in one list are to be in the other, in the same order. */
export function move(entries: ReadonlySet<Finalizer>, from: List, to: List): void {
  const all: Finalizer[] = []
  for (let at = from.newest; at !== undefined; at = at.next) all.push(at)
  from.newest = undefined
  for (const at of all.toReversed()) link(entries.has(at) ? to : from, at)
}

/** Takes out one that needs no release any more, if it is still there. */
export function remove(list: List & { readonly scope: Scope }, finalizer: Finalizer): void {
  let newer: Finalizer | undefined
  let at = list.newest
  for (; at !== undefined && at !== finalizer; at = at.next) newer = at
  if (at === undefined) return
  if (newer === undefined) list.newest = at.next
  else newer.next = at.next
  if (released.hasSubscribers || detection.followed > 0) tellReleased(list.scope, finalizer)
}

/** The next one to be released first. */
export function entriesOf(
  list: Pick<List, 'newest' | 'unwinding'>,
): { finalizer: Finalizer; releasing: boolean }[] {
  const entries: { finalizer: Finalizer; releasing: boolean }[] = []
  const current = list.unwinding?.current
  if (current !== undefined) entries.push({ finalizer: current, releasing: true })
  for (let finalizer = list.newest; finalizer !== undefined; finalizer = finalizer.next) {
    entries.push({ finalizer, releasing: false })
  }
  return entries
}
