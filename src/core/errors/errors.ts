/**
 * Every error of the core. Each has a stable `code`, and a text that says what happened, to which named scope or
 * resource, and what to do. `docs/errors.md` has a heading for each code.
 */
import { recordOf, type ErrorRecord } from './error-json.ts'
import { hide } from '../standard/suppressed-error.ts'

/** What all errors of this package have in common. Recognise one by its `code`. */
export class UnwindError extends Error {
  /** What to recognise it by: stable, with a heading in `docs/errors.md`. */
  declare readonly code: string

  /** For logs: name, message, code and the other fields, and the causes; no stacks. */
  toJSON(): ErrorRecord {
    return recordOf(this)
  }
}

/** `ERR_SCOPE_CLOSED`: something was asked of a scope that is closing or closed. */
export class ScopeClosedError extends UnwindError {
  override readonly code = 'ERR_SCOPE_CLOSED'
}

/** `ERR_NO_SCOPE`: the ambient scope was asked for outside every scope, or a request resource outside every request. */
export class NoScopeError extends UnwindError {
  override readonly code = 'ERR_NO_SCOPE'
}

/** `ERR_SCOPE_INCOMPLETE`: what a transaction rolls back with when `complete()` was never called. */
export class ScopeIncompleteError extends UnwindError {
  override readonly code = 'ERR_SCOPE_INCOMPLETE'
}

/** `ERR_SHUTDOWN`: the app closed or shut down while this was still running. */
export class ShutdownError extends UnwindError {
  override readonly code = 'ERR_SHUTDOWN'
}

/** `ERR_CLIENT_DISCONNECTED`: the client left before its answer was finished. */
export class ClientDisconnectedError extends UnwindError {
  override readonly code = 'ERR_CLIENT_DISCONNECTED'
}

/** `ERR_ABANDONED`: a body ignored its abort for longer than `abandonAfter`, and its resources were taken away. */
export class AbandonedError extends UnwindError {
  override readonly code = 'ERR_ABANDONED'
}

/** `ERR_DISPOSED`: a handle was used after its release; where a scope released it, `cause` is a ScopeClosedError. */
export class DisposedError extends UnwindError {
  override readonly code = 'ERR_DISPOSED'
}

/** `ERR_ACQUIRE_TIMEOUT`: acquiring a resource took longer than its `acquireTimeout`. */
export class AcquireTimeoutError extends UnwindError {
  override readonly code = 'ERR_ACQUIRE_TIMEOUT'
  /** The name of the resource. */
  readonly resource: string
  /** How long it was given, in milliseconds. */
  readonly timeoutMs: number

  /** @param bound the option that says how long it may take */
  constructor(resource: string, timeoutMs: number, bound = 'acquireTimeout') {
    super(
      `Acquiring "${resource}" took longer than its ${bound} of ${timeoutMs} ms. If it arrives later, it is released.`,
    )
    this.resource = resource
    this.timeoutMs = timeoutMs
  }
}

/** `ERR_DISPOSE_TIMEOUT`: a release took longer than its `disposeTimeout`; the next one began meanwhile. */
export class DisposeTimeoutError extends UnwindError {
  override readonly code = 'ERR_DISPOSE_TIMEOUT'
  /** The name of the resource. */
  readonly resource: string
  /** How long it was given, in milliseconds. */
  readonly timeoutMs: number

  /** @param bound the option that says how long it may take */
  constructor(resource: string, timeoutMs: number, bound = 'disposeTimeout') {
    super(
      `Releasing "${resource}" took longer than its ${bound} of ${timeoutMs} ms. The next resource was released meanwhile.`,
    )
    this.resource = resource
    this.timeoutMs = timeoutMs
  }
}

/** `ERR_NOT_PROVIDED`: an input was read that nobody provided. */
export class NotProvidedError extends UnwindError {
  override readonly code = 'ERR_NOT_PROVIDED'

  constructor(input: string) {
    super(
      `Nobody provided the input "${input}". Call scope.provide(${input}, value) in the scope of the request, before it is read.`,
    )
  }
}

/** `ERR_RESOURCE_PROTOCOL`: a generator resource yielded no value, or two; or its function is no generator function. */
export class ResourceProtocolError extends UnwindError {
  override readonly code = 'ERR_RESOURCE_PROTOCOL'
}

/** `ERR_CAPTIVE_DEPENDENCY`: a longer-lived resource would hold a shorter-lived one. */
export class CaptiveDependencyError extends UnwindError {
  override readonly code = 'ERR_CAPTIVE_DEPENDENCY'
  /** The names, from the longer-lived resource to the shorter-lived one. */
  readonly path: readonly string[]

  constructor(message: string, path: readonly string[]) {
    super(message)
    this.path = path
  }
}

/** `ERR_CIRCULAR_DEPENDENCY`: resources wait for each other. */
export class CircularDependencyError extends UnwindError {
  override readonly code = 'ERR_CIRCULAR_DEPENDENCY'
  /** The names, from one resource back to itself. */
  readonly path: readonly string[]

  constructor(path: readonly string[]) {
    super(
      `Resources depend on each other in a circle: ${path.join(' → ')}. Break it by acquiring one of them later, outside its acquire function.`,
    )
    this.path = path
  }
}

named({
  UnwindError,
  ScopeClosedError,
  NoScopeError,
  ScopeIncompleteError,
  ShutdownError,
  ClientDisconnectedError,
  AbandonedError,
  DisposedError,
  AcquireTimeoutError,
  DisposeTimeoutError,
  NotProvidedError,
  ResourceProtocolError,
  CaptiveDependencyError,
  CircularDependencyError,
})

/**
 * As they are called here, whatever a bundler makes of that. On the prototype, as the built-in errors have it: an own
 * `name` would be printed and serialised with every error.
 */
export function named(classes: Readonly<Record<string, { readonly prototype: Error }>>): void {
  for (const [name, { prototype }] of Object.entries(classes)) hide(prototype, 'name', name)
}
