/**
 * One try at acquiring, in whichever form the resource was written: what to wait for, the value that comes of it, and
 * what is owed for it.
 */
import type { Completion } from '../completion.ts'
import type { Ambient } from '../context.ts'
import { asyncDisposer, isObject, isThenable, syncDisposer, type Method } from '../dispose.ts'
import { roughNow } from '../deadline.ts'
import { DisposeTimeoutError } from '../errors/errors.ts'
import { exitOf, type Ending, type Finalizer } from '../finalizers.ts'
import { describe } from '../options.ts'
import { detection } from '../watching/detection.ts'
import type { Instance } from './instance.ts'
import type { ScopeNode } from '../scope.ts'
import type { AcquireContext, ResourceSpec } from './recipe.ts'
import type { Exit, Resource } from '../types.ts'

/** What an acquire function is given, and what is ambient inside it: through it is known what it depends on. */
export class Context implements AcquireContext, Ambient {
  readonly scope: ScopeNode
  readonly instance: Instance

  constructor(instance: Instance) {
    this.scope = instance.owner
    this.instance = instance
  }

  /** A function of its own, because it is often taken out of the context; made only for those who look. */
  get get(): <T>(resource: Resource<T>) => Promise<T> {
    const { scope, instance } = this
    return (resource) => scope.resolve(resource, instance)
  }

  /** A closing owner waits for what is on its way. */
  get awaited(): boolean {
    return this.instance.state === 'acquiring'
  }

  get neededBy(): Instance | undefined {
    return this.awaited ? this.instance : undefined
  }

  get signal(): AbortSignal {
    return this.scope.signal
  }
}

export interface Acquisition<T> {
  /** What to wait for, if it is a promise. */
  readonly pending: unknown
  /** The value, from what the waiting gave. From here on it is to be released. */
  settle(awaited: unknown, borrower: Instance): T
  /** Whether there is something to release; known once it is settled. */
  readonly owes: boolean
  release(value: T, exit: Exit, completion: Completion): unknown
}

/** `acquire` and `release`, or the value's own disposer. */
export class SpecAcquisition<T> implements Acquisition<T> {
  readonly pending: unknown
  owes = true
  readonly #spec: ResourceSpec<T>
  /** The value's own. Looked up once: replacing the method later changes nothing. */
  #disposer: Method | undefined = undefined
  #awaitsDisposer = false

  constructor(spec: ResourceSpec<T>, context: AcquireContext) {
    this.#spec = spec
    this.pending = spec.acquire(context)
  }

  settle(awaited: unknown, borrower: Instance): T {
    if (this.#spec.release === undefined) this.#findDisposer(awaited, borrower)
    // What `acquire` resolves to is a T by its signature.
    return awaited as T
  }

  release(value: T, exit: Exit): unknown {
    if (this.#spec.release !== undefined) return this.#spec.release(value, exit)
    const disposed = this.#disposer?.call(value)
    return this.#awaitsDisposer ? disposed : undefined
  }

  /** What a dependency lent is released by that dependency. */
  #findDisposer(value: unknown, borrower: Instance): void {
    const found = isObject(value) ? value : {}
    const method = asyncDisposer(found)
    this.#awaitsDisposer = method !== undefined
    this.#disposer = method ?? syncDisposer(found)
    this.owes = this.#disposer !== undefined && !borrower.borrowed(value)
  }
}

/** Where the body was abandoned it may still be using the value: that is destroyed, not given back. */
export function releaseInstance({ source, value, since }: Finalizer, ending: Ending): unknown {
  // Made with it in `#arrive`.
  const instance = source as Instance
  const { definition } = instance
  instance.state = 'released'
  instance.owner.holdings?.forget(instance)
  if (detection.counting) definition.usage.count(since, roughNow())
  if (definition.destroy !== undefined && ending.completion.abandoned) {
    return definition.destroy(value, new DisposeTimeoutError(instance.name, 0))
  }
  return instance.acquisition?.release(value, exitOf(ending), ending.completion)
}

/**
 * `await` and `yield` would unwrap it, and the resource would be something else.
 * @throws {TypeError}
 */
export function refuseThenable(
  name: string,
  value: unknown,
  what = 'The value of the resource',
): void {
  if (!isThenable(value)) return
  throw new TypeError(
    `${what} "${name}" has a then() method (${describe(value)}), so await would run it. Wrap it in an object: { query: value }; if it is the promise of a library, await it first.`,
  )
}

/** What a transient resource with a release throws of which each `get` would add one to those of the app. */
export function piled(name: string): TypeError {
  return new TypeError(
    `The transient resource "${name}" has a release and was asked of the app itself, where each one would stay until the app closes. Ask a scope under the app, or give it the lifetime "app".`,
  )
}
