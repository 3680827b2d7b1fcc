/** The types of `unwind/stack`: those of the standard, and interchangeable with them. */
import { expectAssignable, expectError, expectNotAssignable, expectType } from 'tsd'
import { AsyncDisposableStack, DisposableStack, SuppressedError } from 'unwind/stack'

declare const disposable: Disposable & { readonly marked: true }
declare const asyncDisposable: AsyncDisposable & { readonly marked: true }
declare const maybe: (Disposable & { readonly marked: true }) | undefined

const stack = new DisposableStack()

// Our class can be given where the standard's type is asked for.
expectAssignable<globalThis.DisposableStack>(stack)
expectAssignable<Disposable>(stack)
expectType<boolean>(stack.disposed)
expectType<void>(stack.dispose())
expectType<void>(stack[Symbol.dispose]())
expectType<string>(stack[Symbol.toStringTag])

const used = stack.use(disposable)
expectType<Disposable & { readonly marked: true }>(used)
const usedMaybe = stack.use(maybe)
expectType<(Disposable & { readonly marked: true }) | undefined>(usedMaybe)
const usedNull = stack.use(null)
expectType<null>(usedNull)
const adopted = stack.adopt(42, (value) => expectType<number>(value))
expectType<number>(adopted)
const deferred = stack.defer(() => {})
expectType<void>(deferred)
const moved = stack.move()
expectType<DisposableStack>(moved)

// What can only be disposed asynchronously would not be waited for.
expectError(stack.use(asyncDisposable))
// A value without a dispose method is adopted, not used.
expectError(stack.use({}))
expectError(stack.use(42))
// The callbacks are no options.
expectError(stack.adopt(42))
expectError(stack.defer())
// Whether a stack is disposed is not for others to say.
expectError((stack.disposed = true))
// A stack is made with new.
expectError(DisposableStack())
// A sync stack cannot be disposed asynchronously.
expectNotAssignable<AsyncDisposable>(stack)

const asyncStack = new AsyncDisposableStack()

expectAssignable<globalThis.AsyncDisposableStack>(asyncStack)
expectAssignable<AsyncDisposable>(asyncStack)
expectType<boolean>(asyncStack.disposed)
expectType<Promise<void>>(asyncStack.disposeAsync())
expectType<Promise<void>>(asyncStack[Symbol.asyncDispose]())
expectType<string>(asyncStack[Symbol.toStringTag])

const asyncUsed = asyncStack.use(asyncDisposable)
expectType<AsyncDisposable & { readonly marked: true }>(asyncUsed)
const syncUsed = asyncStack.use(disposable)
expectType<Disposable & { readonly marked: true }>(syncUsed)
const asyncUsedUndefined = asyncStack.use(undefined)
expectType<undefined>(asyncUsedUndefined)
const asyncAdopted = asyncStack.adopt('text', async (value) => expectType<string>(value))
expectType<string>(asyncAdopted)
const asyncDeferred = asyncStack.defer(async () => {})
expectType<void>(asyncDeferred)
const asyncMoved = asyncStack.move()
expectType<AsyncDisposableStack>(asyncMoved)

// A value without a dispose method is adopted, not used.
expectError(asyncStack.use({}))
// `using` would not wait for it.
expectNotAssignable<Disposable>(asyncStack)
expectError(AsyncDisposableStack())
// The two kinds are not each other.
expectNotAssignable<DisposableStack>(asyncStack)
expectNotAssignable<AsyncDisposableStack>(stack)

// Both can be extended, and what they say about disposing overridden.
class Logged extends AsyncDisposableStack {
  override async [Symbol.asyncDispose](): Promise<void> {
    await super.disposeAsync()
  }
}
expectAssignable<AsyncDisposableStack>(new Logged())

const suppressed = new SuppressedError(new Error('release'), 'body', 'both')
expectType<globalThis.SuppressedError>(suppressed)
expectAssignable<Error>(suppressed)
expectAssignable<SuppressedError>(suppressed)
const called = SuppressedError(1, 2)
expectType<globalThis.SuppressedError>(called)
// It has no cause option.
expectError(new SuppressedError(1, 2, 'both', { cause: 3 }))

class Lost extends SuppressedError {}
expectAssignable<SuppressedError>(new Lost(1, 2))
