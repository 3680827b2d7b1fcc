/**
 * `unwind/stack`: the standard's `DisposableStack` and `AsyncDisposableStack` on every supported Node.js, step for step
 * of ECMA-262. Reading a private field is RequireInternalSlot: it throws a TypeError for any other receiver.
 */
/* oxlint-disable typescript/no-unsafe-declaration-merging -- `finish` defines what the interfaces declare. */
import {
  addAdopted,
  addAsync,
  addDeferred,
  addSync,
  disposeResources,
  disposeResourcesAsync,
  type DisposableResource,
} from './dispose-resources.ts'
import { isObject } from '../dispose.ts'

export { SuppressedError } from './suppressed-error.ts'

/** Disposables that are disposed together, last in, first out, each once. */
export interface DisposableStack {
  /** The same function as `dispose`. */
  [Symbol.dispose](): void
  readonly [Symbol.toStringTag]: string
}

/**
 * Disposables that are disposed together, last in, first out, each once.
 *
 * @example
 * ```ts
 * const stack = new DisposableStack()
 * const file = stack.adopt(openSync(path), closeSync)
 * stack.dispose()
 * ```
 */
export class DisposableStack {
  #state: 'pending' | 'disposed' = 'pending'
  #newest: DisposableResource | undefined = undefined

  constructor() {
    keepShapes()
    // 2. OrdinaryCreateFromConstructor(NewTarget, "%DisposableStack.prototype%", …)
    if (new.target !== DisposableStack) fallBack(this, new.target, DisposableStack)
  }

  /** Whether `dispose` or `move` was called. */
  get disposed(): boolean {
    // 2. to 4.
    return this.#state === 'disposed'
  }

  /**
   * Dispose everything, newest first; what several of them throw becomes a chain of `SuppressedError`s. Nothing the
   * second time.
   */
  dispose(): void {
    // 2. and 3.
    if (this.#state === 'disposed') return
    // 4. Before the first disposer runs: what is called from there sees a disposed stack.
    this.#state = 'disposed'
    const newest = this.#newest
    this.#newest = undefined
    // 5. Return ? DisposeResources(disposableStack.[[DisposeCapability]], NormalCompletion(undefined)).
    disposeResources(newest)
  }

  /**
   * Dispose `value` with the stack. Returns it.
   * @throws {TypeError} unless it is null, undefined or has `[Symbol.dispose]()`
   * @throws {ReferenceError} if the stack is disposed
   */
  use<T extends Disposable | null | undefined>(value: T): T {
    // 2. and 3.
    if (this.#state === 'disposed') throw alreadyDisposed('DisposableStack.use()')
    // 4. AddDisposableResource(disposableStack.[[DisposeCapability]], value, sync-dispose).
    this.#newest = addSync(value, this.#newest)
    // 5.
    return value
  }

  /**
   * Call `onDispose(value)` with the stack. Returns the value.
   * @throws {TypeError} if `onDispose` is no function
   * @throws {ReferenceError} if the stack is disposed
   */
  adopt<T>(value: T, onDispose: (value: T) => void): T {
    // 2. and 3.
    if (this.#state === 'disposed') throw alreadyDisposed('DisposableStack.adopt()')
    // 4. to 7.
    this.#newest = addAdopted(value, onDispose, this.#newest)
    // 8.
    return value
  }

  /**
   * Call `onDispose()` with the stack.
   * @throws {TypeError} if `onDispose` is no function
   * @throws {ReferenceError} if the stack is disposed
   */
  defer(onDispose: () => void): void {
    // 2. and 3.
    if (this.#state === 'disposed') throw alreadyDisposed('DisposableStack.defer()')
    // 4. to 6.
    this.#newest = addDeferred(onDispose, this.#newest)
  }

  /**
   * A new stack with everything that this one held, which is disposed without disposing anything.
   * @throws {ReferenceError} if the stack is disposed
   */
  move(): DisposableStack {
    // 2. and 3.
    if (this.#state === 'disposed') throw alreadyDisposed('DisposableStack.move()')
    // 4. and 5. Of this very class, whatever subclass the old one has.
    const moved = new DisposableStack()
    // 6. to 8.
    moved.#newest = this.#newest
    this.#newest = undefined
    this.#state = 'disposed'
    // 9.
    return moved
  }

  static {
    finish(this.prototype, Symbol.dispose, 'dispose', 'DisposableStack')
  }
}

/** Disposables, sync and async, that are disposed together, last in, first out, each once and one at a time. */
export interface AsyncDisposableStack {
  /** The same function as `disposeAsync`. */
  [Symbol.asyncDispose](): Promise<void>
  readonly [Symbol.toStringTag]: string
}

/**
 * Disposables, sync and async, that are disposed together, last in, first out, each once and one at a time.
 *
 * @example
 * ```ts
 * await using stack = new AsyncDisposableStack()
 * const file = stack.use(await open(path))
 * stack.defer(() => unlink(path))
 * ```
 */
export class AsyncDisposableStack {
  #state: 'pending' | 'disposed' = 'pending'
  #newest: DisposableResource | undefined = undefined

  constructor() {
    keepShapes()
    // 2. OrdinaryCreateFromConstructor(NewTarget, "%AsyncDisposableStack.prototype%", …)
    if (new.target !== AsyncDisposableStack) fallBack(this, new.target, AsyncDisposableStack)
  }

  /** Whether `disposeAsync` or `move` was called. */
  get disposed(): boolean {
    // 2. to 4.
    return this.#state === 'disposed'
  }

  /**
   * Dispose everything, newest first, one after the other; rejects with what they throw, several as a chain of
   * `SuppressedError`s. A second call resolves at once: it does not wait for the first.
   */
  disposeAsync(): Promise<void> {
    // 3. A wrong receiver rejects.
    if (!isObject(this) || !(#state in this)) return rejectWrongReceiver()
    // 4.
    if (this.#state === 'disposed') return disposeResourcesAsync(undefined)
    // 5. Before the first disposer runs: what is called from there sees a disposed stack.
    this.#state = 'disposed'
    const newest = this.#newest
    this.#newest = undefined
    // 2. and 6. to 9. The first disposer runs now.
    return disposeResourcesAsync(newest)
  }

  /**
   * Dispose `value` with the stack, by `[Symbol.asyncDispose]()`, else by `[Symbol.dispose]()`. Returns it.
   * @throws {TypeError} unless it is null, undefined or has one of the two
   * @throws {ReferenceError} if the stack is disposed
   */
  use<T extends AsyncDisposable | Disposable | null | undefined>(value: T): T {
    // 2. and 3.
    if (this.#state === 'disposed') throw alreadyDisposed('AsyncDisposableStack.use()')
    // 4. AddDisposableResource(asyncDisposableStack.[[DisposeCapability]], value, async-dispose).
    this.#newest = addAsync(value, this.#newest)
    // 5.
    return value
  }

  /**
   * Call `onDisposeAsync(value)` with the stack, and wait for what it returns. Returns the value.
   * @throws {TypeError} if `onDisposeAsync` is no function
   * @throws {ReferenceError} if the stack is disposed
   */
  adopt<T>(value: T, onDisposeAsync: (value: T) => PromiseLike<void> | void): T {
    // 2. and 3.
    if (this.#state === 'disposed') throw alreadyDisposed('AsyncDisposableStack.adopt()')
    // 4. to 7.
    this.#newest = addAdopted(value, onDisposeAsync, this.#newest)
    // 8.
    return value
  }

  /**
   * Call `onDisposeAsync()` with the stack, and wait for what it returns.
   * @throws {TypeError} if `onDisposeAsync` is no function
   * @throws {ReferenceError} if the stack is disposed
   */
  defer(onDisposeAsync: () => PromiseLike<void> | void): void {
    // 2. and 3.
    if (this.#state === 'disposed') throw alreadyDisposed('AsyncDisposableStack.defer()')
    // 4. to 6.
    this.#newest = addDeferred(onDisposeAsync, this.#newest)
  }

  /**
   * A new stack with everything that this one held, which is disposed without disposing anything.
   * @throws {ReferenceError} if the stack is disposed
   */
  move(): AsyncDisposableStack {
    // 2. and 3.
    if (this.#state === 'disposed') throw alreadyDisposed('AsyncDisposableStack.move()')
    // 4. and 5. Of this very class, whatever subclass the old one has.
    const moved = new AsyncDisposableStack()
    // 6. to 8.
    moved.#newest = this.#newest
    this.#newest = undefined
    this.#state = 'disposed'
    // 9.
    return moved
  }

  static {
    finish(this.prototype, Symbol.asyncDispose, 'disposeAsync', 'AsyncDisposableStack')
  }
}

/** One of each of what every other one makes and drops (docs/decisions/shapes-that-stay.md). */
let kept: readonly object[] | undefined

function keepShapes(): void {
  if (kept !== undefined) return
  // It is called by the constructors that it calls.
  kept = []
  kept = [new DisposableStack(), new AsyncDisposableStack(), addDeferred(keepShapes, undefined)]
}

/** What a class body cannot say: a second name for one function, and a data property that is not enumerable. */
function finish(prototype: object, symbol: symbol, method: string, tag: string): void {
  const descriptor = Object.getOwnPropertyDescriptor(prototype, method)
  Object.defineProperty(prototype, symbol, { ...descriptor })
  Object.defineProperty(prototype, Symbol.toStringTag, { value: tag, configurable: true })
}

/**
 * GetPrototypeFromConstructor, 3.: a class alone falls back to the realm's `Object.prototype` where `newTarget` has no
 * usable prototype. Only then is the property read a second time.
 */
function fallBack(stack: object, newTarget: Function, { prototype }: { prototype: object }): void {
  if (Object.getPrototypeOf(Object.getPrototypeOf(stack)) !== null) return
  if (!isObject(newTarget.prototype)) Object.setPrototypeOf(stack, prototype)
}

function alreadyDisposed(call: string): ReferenceError {
  return new ReferenceError(
    `${call}: the stack is disposed already. Add to it before dispose() or move(), or to the stack that move() returned.`,
  )
}

/** Async, because the promise is one of the engine's: a program may have replaced `Promise.reject`. */
async function rejectWrongReceiver(): Promise<never> {
  throw new TypeError('disposeAsync() was called on what is no AsyncDisposableStack.')
}
