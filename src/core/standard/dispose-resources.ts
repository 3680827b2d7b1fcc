/**
 * The operations under the standard's stacks: DisposableResource records, and DisposeResources over a list of them. The
 * newest record comes first and links to the one before it; every disposer runs once, and no error is lost.
 */
import { types } from 'node:util'
import { asyncDisposer, isObject, syncDisposer, type Method } from '../dispose.ts'
import { describe, expected } from '../options.ts'
import { newSuppressedError } from './suppressed-error.ts'

// Captured: nobody's `call` property, and no later change of the global, decides how a disposer is called.
const { apply } = Reflect

/** A DisposableResource record; `call` stands for the closures that the standard wraps around some methods. */
export interface DisposableResource {
  readonly call: (resource: DisposableResource) => unknown
  readonly value: unknown
  /** None, where an async stack was given null or undefined. */
  readonly method: Method | undefined
  readonly older: DisposableResource | undefined
}

/** AddDisposableResource ( disposeCapability, V, sync-dispose ) */
export function addSync(
  value: unknown,
  older: DisposableResource | undefined,
): DisposableResource | undefined {
  // 1.a. If V is either null or undefined and hint is sync-dispose, return unused.
  if (value === null || value === undefined) return older
  // CreateDisposableResource, 1.b.i. to iii.
  const method = isObject(value) ? syncDisposer(value) : undefined
  if (method === undefined) throw notDisposable('[Symbol.dispose]()', value, adviceForSync)
  return { call: callOnValue, value, method, older }
}

/** AddDisposableResource ( disposeCapability, V, async-dispose ) */
export function addAsync(
  value: unknown,
  older: DisposableResource | undefined,
): DisposableResource {
  // CreateDisposableResource, 1.a. If V is either null or undefined, the method is undefined.
  if (value === null || value === undefined) {
    return { call: callOnValue, value: undefined, method: undefined, older }
  }
  // CreateDisposableResource, 1.b.i. to iii.; GetDisposeMethod, 1.a. and b.
  if (isObject(value)) {
    const method = asyncDisposer(value)
    if (method !== undefined) return { call: callOnValue, value, method, older }
    const fallback = syncDisposer(value)
    if (fallback !== undefined) return { call: callFallback, value, method: fallback, older }
  }
  throw notDisposable('[Symbol.asyncDispose]() or [Symbol.dispose]()', value, adviceForAsync)
}

/** What `adopt` adds: a function that is given the value. */
export function addAdopted(
  value: unknown,
  onDispose: unknown,
  older: DisposableResource | undefined,
): DisposableResource {
  return { call: callWithValue, value, method: callable('adopt()', onDispose), older }
}

/** What `defer` adds: a function that is given nothing. */
export function addDeferred(
  onDispose: unknown,
  older: DisposableResource | undefined,
): DisposableResource {
  return { call: callOnValue, value: undefined, method: callable('defer()', onDispose), older }
}

/** DisposeResources ( disposeCapability, completion ), of a stack that only has sync-dispose */
export function disposeResources(newest: DisposableResource | undefined): void {
  let thrown: Thrown | undefined
  // 3. For each resource, in reverse list order …
  for (let resource = newest; resource !== undefined; resource = resource.older) {
    try {
      // 3.e.i. Let result be Completion(Call(method, value)).
      resource.call(resource)
    } catch (error) {
      // 3.e.iii.
      thrown = combine(error, thrown)
    }
  }
  // 7. Return ? completion.
  if (thrown !== undefined) throw thrown.error
}

/** DisposeResources ( disposeCapability, completion ), of a stack that only has async-dispose */
export async function disposeResourcesAsync(newest: DisposableResource | undefined): Promise<void> {
  let thrown: Thrown | undefined
  // 1. and 2.
  let needsAwait = false
  let hasAwaited = false
  // 3. For each resource, in reverse list order …
  for (let resource = newest; resource !== undefined; resource = resource.older) {
    if (resource.method === undefined) {
      // 3.f.ii. Any number of these is one Await, and none beside a resource.
      needsAwait = true
      continue
    }
    try {
      // 3.e.i. Let result be Completion(Call(method, value)).
      const result = resource.call(resource)
      // 3.e.ii. Only a normal completion is awaited.
      hasAwaited = true
      await result
    } catch (error) {
      // 3.e.iii.
      thrown = combine(error, thrown)
    }
  }
  // 4. If needsAwait is true and hasAwaited is false, perform ! Await(undefined).
  // oxlint-disable-next-line typescript/await-thenable -- a program may have replaced Promise.resolve
  if (needsAwait && !hasAwaited) await undefined
  // 7. Return ? completion.
  if (thrown !== undefined) throw thrown.error
}

/** `undefined` can be thrown too, hence the object around it. */
interface Thrown {
  readonly error: unknown
}

/** DisposeResources, 3.e.iii.1. and 2. */
function combine(error: unknown, earlier: Thrown | undefined): Thrown {
  return { error: earlier === undefined ? error : newSuppressedError(error, earlier.error) }
}

function callOnValue({ method, value }: DisposableResource): unknown {
  // Its type follows from where it comes from, which the compiler does not see.
  return apply(method as Method, value, [])
}

/** `adopt`, 5.: the closure that calls onDispose with the value. */
function callWithValue({ method, value }: DisposableResource): unknown {
  return apply(method as Method, undefined, [value])
}

/**
 * GetDisposeMethod, 1.b.ii.1.: what the method returns is not awaited, and what it throws rejects; the promise is one of the
 * engine's, which no program can replace.
 */
async function callFallback({ method, value }: DisposableResource): Promise<void> {
  apply(method as Method, value, [])
}

/** CreateDisposableResource, 2.a., and step 4. of `adopt` and `defer` */
function callable(call: string, onDispose: unknown): Method {
  if (typeof onDispose === 'function') return onDispose as Method
  throw expected(`the callback of ${call}`, 'a function', onDispose)
}

const adviceForAsync = 'For anything else: adopt(value, release).'
const adviceForSync = `What is released asynchronously goes into an AsyncDisposableStack. ${adviceForAsync}`

/** Does not ask whether there is a `then`: that could be seen from outside, and the standard does not. */
function notDisposable(method: string, value: unknown, otherwise: string): TypeError {
  const advice = types.isPromise(value) ? 'Await it first: use(await …).' : otherwise
  return new TypeError(
    `Expected the argument of use() to be null, undefined or an object with ${method}, received ${describe(value)}. ${advice}`,
  )
}
