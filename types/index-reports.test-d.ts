/**
 * The types of what is told: snapshots, outcomes, errors, leaks and channels.
 * Each `expectError` and each `@ts-expect-error` forbids the mistake that the comment above it names.
 */
import { expectAssignable, expectError, expectNotAssignable, expectType } from 'tsd'
import {
  AbandonedError,
  AcquireTimeoutError,
  CaptiveDependencyError,
  CircularDependencyError,
  ClientDisconnectedError,
  detectLeaks,
  DisposedError,
  DisposeTimeoutError,
  formatError,
  NoScopeError,
  NotProvidedError,
  primaryError,
  ResourceProtocolError,
  ScopeClosedError,
  ScopeIncompleteError,
  ShutdownError,
  UnwindError,
} from 'unwind'
import type {
  App,
  Channels,
  Exit,
  LeakLevel,
  LeakOptions,
  LeakReport,
  Lifetime,
  Outcome,
  ResourceSnapshot,
  Scope,
  ScopeKind,
  ScopeSnapshot,
  ScopeState,
  ShutdownOptions,
  ShutdownReport,
  Success,
} from 'unwind'

declare const scope: Scope

// --- Looking in --------------------------------------------------------------------------------------------

const snapshot = scope.inspect()
expectType<ScopeSnapshot>(snapshot)
expectType<string>(snapshot.id)
expectType<string>(snapshot.name)
expectType<ScopeKind>(snapshot.kind)
expectType<ScopeState>(snapshot.state)
expectType<number>(snapshot.ageMs)
expectType<boolean>(snapshot.aborted)
expectType<number>(snapshot.tasks)
expectType<readonly ResourceSnapshot[]>(snapshot.resources)
expectType<readonly ScopeSnapshot[]>(snapshot.children)
// A snapshot is of the past: changing it changes nothing.
expectError(snapshot.children.push(snapshot))
expectError((snapshot.state = 'closed'))

declare const resourceSnapshot: ResourceSnapshot
expectType<string>(resourceSnapshot.name)
expectType<Lifetime | 'value'>(resourceSnapshot.lifetime)
expectType<'acquiring' | 'open' | 'releasing'>(resourceSnapshot.state)
expectType<number>(resourceSnapshot.heldMs)
expectType<string | undefined>(resourceSnapshot.stack)

declare const report: ShutdownReport
expectType<number>(report.drained)
expectType<number>(report.aborted)
expectType<readonly ScopeSnapshot[]>(report.stuck)
expectType<readonly unknown[]>(report.errors)

// --- Outcomes ----------------------------------------------------------------------------------------------

declare const outcome: Outcome
expectType<'success' | 'failure' | 'aborted' | 'unknown'>(outcome.status)
// An error is looked for where there may be none.
expectError(outcome.error)
switch (outcome.status) {
  case 'failure':
    expectType<unknown>(outcome.error)
    break
  case 'aborted':
    expectType<unknown>(outcome.reason)
    expectType<unknown>(outcome.error)
    break
  case 'success':
  case 'unknown':
    expectError(outcome.error)
    expectError(outcome.reason)
}

declare const exit: Exit
expectAssignable<Outcome>(exit)
expectNotAssignable<Exit>(outcome)
expectType<AbortSignal>(exit.signal)
// A release function changes the outcome: it throws instead.
expectError((exit.status = 'success'))
expectAssignable<Exit>({} as Success)
expectNotAssignable<Success>(exit)

// --- Errors ------------------------------------------------------------------------------------------------

declare const error: UnwindError
expectAssignable<Error>(error)
expectType<string>(error.code)
expectError((error.code = 'ERR_OTHER'))
// Made like any error, as the reason of an abort.
expectType<'ERR_SHUTDOWN'>(new ShutdownError().code)
expectType<'ERR_CLIENT_DISCONNECTED'>(new ClientDisconnectedError('gone', { cause: error }).code)

declare const codes: {
  scopeClosed: ScopeClosedError
  noScope: NoScopeError
  incomplete: ScopeIncompleteError
  shutdown: ShutdownError
  disconnected: ClientDisconnectedError
  abandoned: AbandonedError
  disposed: DisposedError
  notProvided: NotProvidedError
  acquire: AcquireTimeoutError
  dispose: DisposeTimeoutError
  protocol: ResourceProtocolError
  captive: CaptiveDependencyError
  circular: CircularDependencyError
}
expectAssignable<Record<keyof typeof codes, UnwindError>>(codes)
expectType<'ERR_SCOPE_CLOSED'>(codes.scopeClosed.code)
expectType<'ERR_NO_SCOPE'>(codes.noScope.code)
expectType<'ERR_SCOPE_INCOMPLETE'>(codes.incomplete.code)
expectType<'ERR_SHUTDOWN'>(codes.shutdown.code)
expectType<'ERR_CLIENT_DISCONNECTED'>(codes.disconnected.code)
expectType<'ERR_ABANDONED'>(codes.abandoned.code)
expectType<'ERR_DISPOSED'>(codes.disposed.code)
expectType<'ERR_NOT_PROVIDED'>(codes.notProvided.code)
expectType<'ERR_ACQUIRE_TIMEOUT'>(codes.acquire.code)
expectType<string>(codes.acquire.resource)
expectType<number>(codes.acquire.timeoutMs)
expectType<'ERR_DISPOSE_TIMEOUT'>(codes.dispose.code)
expectType<string>(codes.dispose.resource)
expectType<number>(codes.dispose.timeoutMs)
expectType<'ERR_RESOURCE_PROTOCOL'>(codes.protocol.code)
expectType<'ERR_CAPTIVE_DEPENDENCY'>(codes.captive.code)
expectType<readonly string[]>(codes.captive.path)
expectType<'ERR_CIRCULAR_DEPENDENCY'>(codes.circular.code)
expectType<readonly string[]>(codes.circular.path)
// One error taken for another.
expectNotAssignable<DisposedError>(codes.scopeClosed)

for (const errorClass of [
  UnwindError,
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
]) {
  expectAssignable<UnwindError>(errorClass.prototype)
}

expectType<(error: unknown) => unknown>(primaryError)
expectType<(error: unknown) => string>(formatError)

// --- detectLeaks -------------------------------------------------------------------------------------------

expectType<Disposable>(detectLeaks({ level: 'full' }))
expectType<Disposable>(
  detectLeaks({
    level: 'sampled',
    threshold: 5_000,
    onLeak(leak) {
      expectType<LeakReport>(leak)
      expectType<'age' | 'scope' | 'collected'>(leak.reason)
      expectType<string>(leak.resource)
      expectType<string | undefined>(leak.scope)
      expectType<number>(leak.heldMs)
      expectType<string>(leak.site)
    },
  }),
)
expectAssignable<LeakLevel>('off')
expectAssignable<LeakOptions>({ level: 'simple' })
// A level that does not exist.
expectError(detectLeaks({ level: 'loud' }))
// The level forgotten.
expectError(detectLeaks({ threshold: 5_000 }))
// A misspelt option.
expectError(detectLeaks({ level: 'full', after: 5_000 }))

// --- Channels ----------------------------------------------------------------------------------------------

declare const closed: Channels['unwind:scope:closed']
expectType<string>(closed.id)
expectType<'success' | 'failure' | 'aborted' | 'unknown'>(closed.outcome)
expectType<number>(closed.durationMs)
declare const released: Channels['unwind:resource:released']
expectType<number>(released.heldMs)
expectType<string | undefined>(released.pool)
expectType<LeakReport>({} as Channels['unwind:resource:leaked'])
// A channel that does not exist.
expectError({} as Channels['unwind:scope:close'])
// What was acquired is never published.
expectError(released.value)

// --- what a program may export with its declarations --------------------------------------------------------

declare const ending: App
expectType<(options?: ShutdownOptions) => Promise<ShutdownReport>>(ending.shutdown)
