/** The public names of the core, by hand. */
export { createApp, currentScope, inject, run, tryCurrentScope } from './core/app.ts'
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
  ResourceProtocolError,
  ScopeClosedError,
  ScopeIncompleteError,
  ShutdownError,
  UnwindError,
} from './core/errors.ts'
export { hold } from './core/lease.ts'
export { resource, value } from './core/resource.ts'
export type {
  AcquireContext,
  App,
  AppOptions,
  Exit,
  GeneratorResource,
  Held,
  Lifetime,
  Outcome,
  Resource,
  ResourceOptions,
  ResourceSpec,
  Scope,
  ScopeKind,
  ScopeOptions,
  ScopeState,
  Success,
} from './core/types.ts'
