/** The public names of the core, by hand. */
export { currentScope, inject, run, tryCurrentScope } from './core/ambient.ts'
export { createApp } from './core/app.ts'
export { detectLeaks, type LeakOptions } from './core/watching/detection.ts'
export { primaryError } from './core/dispose.ts'
export {
  AbandonedError,
  AcquireTimeoutError,
  CaptiveDependencyError,
  CircularDependencyError,
  ClientDisconnectedError,
  DisposedError,
  DisposeTimeoutError,
  NoScopeError,
  NotProvidedError,
  ResourceProtocolError,
  ScopeClosedError,
  ScopeIncompleteError,
  ShutdownError,
  UnwindError,
} from './core/errors/errors.ts'
export type {
  Channels,
  LeaseUsedAfterRelease,
  ResourceAcquired,
  ResourceAcquiring,
  ResourceReleased,
  ResourceTimeout,
  ScopeClosed,
  ScopeIdentity,
  ScopeOpened,
  ScopeUsedAfterClose,
} from './core/watching/events.ts'
export { formatError } from './core/errors/format.ts'
export { hold } from './core/lease.ts'
export { override } from './core/resources/overrides.ts'
export type {
  AcquireContext,
  GeneratorResource,
  ResourceOptions,
  ResourceSpec,
} from './core/resources/recipe.ts'
export { input, resource, value } from './core/resources/resource.ts'
export type {
  Activity,
  App,
  AppOptions,
  Exit,
  Held,
  Input,
  LeakLevel,
  LeakReport,
  Lifetime,
  MaybePromise,
  Outcome,
  Override,
  Resource,
  ResourceSnapshot,
  Scope,
  ScopeKind,
  ScopeOptions,
  ScopeSnapshot,
  ScopeState,
  ShutdownOptions,
  ShutdownReport,
  Success,
  Task,
} from './core/types.ts'
