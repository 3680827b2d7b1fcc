/**
 * What a scope is to those who only use one: the public interfaces of the core, without a line that runs.
 */
import type { Exit } from './outcome.ts'
import type {
  Lifetime,
  ScopeKind,
  ScopeSnapshot,
  ScopeState,
  ShutdownOptions,
  ShutdownReport,
} from './reports.ts'

export type { Exit, Outcome, Success } from './outcome.ts'
export type {
  Activity,
  LeakLevel,
  LeakReport,
  Lifetime,
  ResourceSnapshot,
  ScopeKind,
  ScopeSnapshot,
  ScopeState,
  ShutdownOptions,
  ShutdownReport,
} from './reports.ts'

/** A value, or a promise of it. */
export type MaybePromise<T> = T | PromiseLike<T>

declare const type: unique symbol

/** A typed key with its recipe. Made by `resource`, `value` and `input` alone; acquired by `scope.get`. */
export interface Resource<out T> {
  /** For errors, events and the inspector. */
  readonly name: string
  /** Which scope owns an instance: the app, the request, the nearest scope, or the one that asked. */
  readonly lifetime: Lifetime
  /** Type only. */
  readonly [type]: () => T
}

/** What a request brings with it (a tenant, a user): provided by whoever opens the scope, read with `get`. */
export interface Input<T> extends Resource<T> {
  /** Tells an input from a resource that is acquired. */
  readonly input: true
}

declare const pair: unique symbol

/** A replacement of one resource by another, made by `override`. */
export interface Override {
  /** Type only. */
  readonly [pair]: true
}

/** How a scope is called, bounded and watched. */
export interface ScopeOptions {
  /** For errors, events and the inspector. Default: the scope's kind. */
  name?: string
  /** Default: `request` directly under an app, else `scope`. */
  kind?: 'request' | 'scope'
  /** Aborts the scope with the signal's reason. */
  signal?: AbortSignal
  /** Milliseconds until the scope is aborted, `0`: at once; the parent's deadline counts if it is earlier. Default: none. */
  timeout?: number
  /** Milliseconds for each release that sets none of its own. Inherited; default 5_000. */
  disposeTimeout?: number
  /** Milliseconds to wait for a body that ignores its abort, before its resources are destroyed. Default: for ever. */
  abandonAfter?: number
  /**
   * Replace resources in this scope and below. What lives longer than this scope is built without them, so that nothing
   * of a scope reaches its neighbours: replace that too, or all of it in `createApp`.
   */
  overrides?: Iterable<Override>
  /**
   * What cannot be thrown any more: a late failure, a failed release that is not critical. Inherited. Default: a
   * process warning.
   */
  onError?(
    error: unknown,
    info: { readonly scope: Scope; readonly resource?: string; readonly late?: boolean },
  ): void
}

/** A child task: a promise that the scope waits for, and that can be aborted alone. */
export interface Task<R> extends Promise<R> {
  /** Abort this task's signal. A task that then rejects with the reason does not fail its scope. */
  abort(reason?: unknown): void
}

/** What is acquired in a scope is released when it closes: in reverse order, one at a time, once, whatever happened. */
export interface Scope extends AsyncDisposable {
  /** Unique in its process. */
  readonly id: string
  /** As the options gave it, else its kind. */
  readonly name: string
  /** Whether it is the app, a request with resources of its own, or a block within one. */
  readonly kind: ScopeKind
  /** `undefined` for an app alone. */
  readonly parent: Scope | undefined
  /** How far it is on its way from `open` to `closed`. It never goes back. */
  readonly state: ScopeState
  /** Whether it has closed: it holds nothing any more, and refuses whatever is asked of it. */
  readonly disposed: boolean
  /** Aborts when the scope is aborted, fails, or passes its deadline. Made on first read. */
  readonly signal: AbortSignal
  /** When it is aborted if it is still open, in milliseconds since the epoch; `undefined`: never. */
  readonly deadline: number | undefined
  /**
   * Aborts when the app begins to shut down, while requests may still finish, and at the latest with `signal`: what
   * long streams listen to. Made on first read.
   */
  readonly draining: AbortSignal

  /**
   * Dispose `value` when the scope closes. `null` and `undefined` are ignored.
   * @throws {TypeError} if the value has no dispose method
   * @throws `ERR_SCOPE_CLOSED`, after disposing the value at once
   */
  use<T extends AsyncDisposable | Disposable | null | undefined>(value: T): T
  /**
   * Release `value` with `release` when the scope closes.
   * @throws `ERR_SCOPE_CLOSED`, after releasing the value at once
   */
  adopt<T>(value: T, release: (value: T, exit: Exit) => unknown): T
  /**
   * Call `onExit` when the scope closes.
   * @throws `ERR_SCOPE_CLOSED`, after calling it at once
   */
  defer(onExit: (exit: Exit) => unknown): void

  /**
   * The instance of `resource` that this scope sees; acquired on first use, once for all callers. `signal` gives up for this
   * caller alone. Rejects with what the acquire function threw, or with `ERR_SCOPE_CLOSED`, `ERR_ACQUIRE_TIMEOUT`,
   * `ERR_CIRCULAR_DEPENDENCY`, `ERR_CAPTIVE_DEPENDENCY`, `ERR_RESOURCE_PROTOCOL` or `ERR_NOT_PROVIDED`.
   */
  get<T>(resource: Resource<T>, options?: { signal?: AbortSignal }): Promise<T>

  /**
   * Give an input its value in this scope and below.
   * @throws `ERR_SCOPE_CLOSED`, and a TypeError once the input was read or provided here
   */
  provide<T>(input: Input<T>, value: NoInfer<T>): void

  /**
   * Run `body` in a child scope that is ambient inside it, and close the child with the body's outcome. Settles once the
   * child closed; with a bound stream once the body settled, while the scope stays open for the stream. A nested block
   * shares the `request` resources of the request around it; in a long request (a socket, an event stream) give a block its
   * own with `{ kind: 'request' }`. Rejects with `ERR_SCOPE_CLOSED`.
   */
  run<R>(body: (scope: Scope) => MaybePromise<R>): Promise<R>
  run<R>(options: ScopeOptions, body: (scope: Scope) => MaybePromise<R>): Promise<R>
  /**
   * A child for `await using`. It is not ambient, and its outcome is `unknown` until `complete()` or `fail()`.
   * @throws `ERR_SCOPE_CLOSED`
   */
  child(options?: ScopeOptions): Scope
  /** Make this scope ambient inside `body`, and change nothing else. */
  enter<R>(body: () => R): R
  /** A function that runs in this scope: for event listeners, whose context is somebody else's. */
  bind<A extends unknown[], R>(listener: (...args: A) => R): (...args: A) => R

  /**
   * A task that ends before the scope's resources are released. If it fails, so does the scope: the others are
   * aborted, and the error is what the scope ends with. One that an abort of the scope cuts off when the body has ended
   * already leaves that `aborted`.
   * @param options.onClose what a closing scope does: wait for the task (default), or abort it first
   * @throws `ERR_SCOPE_CLOSED`
   */
  fork<R>(
    task: (signal: AbortSignal) => MaybePromise<R>,
    options?: { onClose?: 'await' | 'abort' },
  ): Task<R>
  /**
   * Run `tasks` side by side: all their results, or the first failure once the others were aborted and have settled.
   * Rejects with `ERR_SCOPE_CLOSED`.
   */
  all<const F extends readonly ((signal: AbortSignal) => unknown)[]>(
    tasks: F,
  ): Promise<{
    -readonly [K in keyof F]: F[K] extends (signal: AbortSignal) => infer R ? Awaited<R> : never
  }>
  /**
   * Keep the scope of `run` open until the stream ends (success), fails (failure) or is cancelled (aborted); what the
   * consumer awaits last settles after it closed. A child is closed by whoever opened it, and its streams with it.
   * @throws `ERR_SCOPE_CLOSED`
   */
  stream<T>(source: AsyncIterable<T>): AsyncGenerator<T, void, undefined>

  /** The outcome of an explicit scope is success. Does nothing once the scope closes. */
  complete(): void
  /**
   * The outcome is a failure, without throwing. After an abort it stays `aborted`, with this error. Does nothing once
   * the first resource is being released, as `abort`.
   */
  fail(error: unknown): void
  /** Abort this scope and everything below it. Default reason: a `DOMException` named `AbortError`. */
  abort(reason?: unknown): void
  /** Release everything. The same as disposing; a second caller waits for the first and never rejects. */
  close(): Promise<void>

  /** What the scope holds now, and what is open below it. */
  inspect(): ScopeSnapshot
}

/** Defaults for every scope of the app. Parallel tests have an app each, with its own `overrides`. */
export interface AppOptions extends Pick<
  ScopeOptions,
  'name' | 'disposeTimeout' | 'abandonAfter' | 'overrides' | 'onError'
> {}

/** The root of a tree of scopes: owns the `app` resources. */
export interface App extends Scope {
  /** What tells an app from the scopes below it. */
  readonly kind: 'app'
  /**
   * Replace a resource wherever it is used, until the returned value is disposed.
   * @throws {TypeError} if the app has already acquired the original
   */
  override<T>(original: Resource<T>, replacement: Resource<NoInfer<T>>): Disposable
  /**
   * A background job: a scope of its own under the app, drained at shutdown. Its failure goes to `onError` too, because
   * nobody may be waiting for it.
   * @throws `ERR_SCOPE_CLOSED`, from the end of the `lameDuck` of a shutdown on
   */
  detach<R>(job: (scope: Scope) => MaybePromise<R>, options?: ScopeOptions): Task<R>
  /**
   * At start-up: acquire these `app` resources, and check every dependency that this shows. Rejects with the first failure,
   * as it was thrown (`unwind:acquire` tells the name of the resource), once what was on its way has come and what it had
   * acquired is given back, but for what somebody else has asked for meanwhile; or everything, where the app closes.
   */
  warmUp(...resources: Resource<unknown>[]): Promise<void>
  /**
   * Accept for `lameDuck` longer; then no new scopes, except those that a server adapter opens for connections it still
   * serves; wait `grace`, abort what still runs, wait `abortGrace`, release the app's resources. A second call returns the
   * same promise, which never rejects. `close()` is the same without waiting: it aborts what runs.
   * @throws {TypeError} for unknown or wrong options
   */
  shutdown(options?: ShutdownOptions): Promise<ShutdownReport>
}

/** Anything with a close, for `await using`. */
export interface Held<T> extends AsyncDisposable {
  /**
   * What is held.
   * @throws `ERR_DISPOSED` after its release
   */
  readonly value: T
}
