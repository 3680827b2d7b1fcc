/**
 * How a resource is written by those who define one: its options, and the functions that acquire and release it.
 */
import type { DisposeTimeoutError } from '../errors/errors.ts'
import type { Exit, Lifetime, MaybePromise, Resource, Scope, Success } from '../types.ts'

/** What an acquire function is given. */
export interface AcquireContext {
  /** The scope that will own the value: possibly an ancestor of the one that asked. */
  readonly scope: Scope
  /**
   * The owner's signal, never one caller's: several callers may be waiting for the same acquisition. It aborts too when
   * the owner closes meanwhile, because nobody gets the value then.
   */
  readonly signal: AbortSignal
  /**
   * Resolve a dependency. It is released after what is being acquired, and a circle of dependencies is reported.
   * `inject` inside an acquire function does the same.
   */
  readonly get: <T>(resource: Resource<T>) => Promise<T>
}

/** What a resource is called, how long it lives, and how long it may take. */
export interface ResourceOptions {
  /** For errors, events and the inspector. Default: the acquire function's name, or `anonymous`. */
  name?: string
  /** Default `request`. */
  lifetime?: Lifetime
  /** Milliseconds, `0`: at once; a value that arrives later is released, not leaked. Default: none. */
  acquireTimeout?: number
  /** Milliseconds before `destroy` is called and the next resource is released. Default: the owning scope's. */
  disposeTimeout?: number
  /** `false`: a failing release is reported to `onError` and does not change the outcome. Default `true`. */
  critical?: boolean
}

/** How a resource is acquired and released, as two functions. */
export interface ResourceSpec<T> extends ResourceOptions {
  /** Runs when the value is first asked for. Where it throws or rejects, nothing is held, and the next `get` tries again. */
  acquire(context: AcquireContext): MaybePromise<T>
  /**
   * Default: the value's own `Symbol.asyncDispose` or `Symbol.dispose`, if it has one. What `context.get` gave is lent, and
   * is released by the resource that it came from alone.
   */
  release?(value: T, exit: Exit): unknown
  /** The forceful way, after `release` exceeded its timeout. */
  destroy?(value: T, why: DisposeTimeoutError): unknown
}

/** One `yield`: what stands before it acquires, what stands after it releases. */
export type GeneratorResource<T> = (
  context: AcquireContext,
) => AsyncGenerator<T, void, Success> | Generator<T, void, Success>
