/**
 * The types of `unwind`: apps, scopes that are around, what is held, and the shapes of what users write down.
 * Each `expectError` and each `@ts-expect-error` forbids the mistake that the comment above it names.
 */
import { expectAssignable, expectError, expectNotAssignable, expectNotType, expectType } from 'tsd'
import { createApp, currentScope, hold, inject, run, tryCurrentScope, value } from 'unwind'
import type {
  App,
  AppOptions,
  GeneratorResource,
  Held,
  Lifetime,
  Resource,
  ResourceOptions,
  ResourceSpec,
  Scope,
  ScopeKind,
  ScopeOptions,
  ScopeState,
  ShutdownReport,
  Task,
} from 'unwind'

import { client, connect, pool, scope, signal, tenant, type Client } from './support/client.js'

// --- createApp ---------------------------------------------------------------------------------------------

const app = createApp()
expectType<App>(app)
expectType<App>(createApp({}))
expectType<App>(
  createApp({
    name: 'shop',
    disposeTimeout: 5_000,
    abandonAfter: 10_000,
    overrides: [],
    onError(error, info) {
      expectType<unknown>(error)
      expectType<Scope>(info.scope)
      expectType<string | undefined>(info.resource)
      expectType<boolean | undefined>(info.late)
    },
  }),
)
expectType<'app'>(app.kind)
expectAssignable<Scope>(app)
expectNotAssignable<App>({} as Scope)
// A misspelt option.
expectError(createApp({ disposetimeout: 5_000 }))
// A duration as text.
expectError(createApp({ disposeTimeout: '5s' }))
// What only a scope has: an app is the root, and nothing is above it that could time out or abort it.
expectError(createApp({ timeout: 1_000 }))
expectError(createApp({ signal }))
expectError(createApp({ kind: 'request' }))

// --- run ---------------------------------------------------------------------------------------------------

const count = run(async (scope) => {
  expectType<Scope>(scope)
  return 1
})
expectType<Promise<number>>(count)
expectType<Promise<string>>(run(() => 'a body may answer without a promise'))
expectType<Promise<void>>(run({ name: 'job', timeout: 1_000 }, async () => {}))
// A missing await: the result of a body is a promise.
expectError(run(() => 1).toFixed())
// The body forgotten.
expectError(run())
expectError(run({ timeout: 1_000 }))
// Options after the body.
expectError(run(() => 1, { timeout: 1_000 }))
// A misspelt option.
expectError(run({ timeOut: 1_000 }, () => 1))

// --- currentScope, tryCurrentScope, inject -----------------------------------------------------------------

expectType<() => Scope>(currentScope)
expectType<() => Scope | undefined>(tryCurrentScope)
// A scope that may be missing, where one is needed.
expectNotAssignable<Scope>(tryCurrentScope())

expectType<Promise<Client>>(inject(pool))
// A value instead of the resource that makes it.
expectError(inject(client))
// A missing await: what is injected is a promise.
expectError(inject(pool).url)

// --- App: what only the root has ---------------------------------------------------------------------------

expectType<Disposable>(app.override(pool, value(client)))
// A replacement of another type.
expectError(app.override(pool, value('a text is no client')))
// What only the app can do, asked of a scope.
expectError(scope.override(pool, value(client)))
expectError(scope.detach(() => 1))
expectError(scope.warmUp())
expectError(scope.shutdown())

expectType<Task<number>>(
  app.detach(async (own) => {
    expectType<Scope>(own)
    return 1
  }),
)
expectType<Task<string>>(app.detach(() => 'text', { name: 'mail', timeout: 60_000 }))
// Options before the job, as `run` has them.
expectError(app.detach({ name: 'mail' }, () => 'text'))

expectType<Promise<void>>(app.warmUp())
expectType<Promise<void>>(app.warmUp(pool, tenant))
// The name of a resource, or a list of them.
expectError(app.warmUp('pool'))
expectError(app.warmUp([pool]))

expectType<Promise<ShutdownReport>>(app.shutdown())
expectType<Promise<ShutdownReport>>(
  app.shutdown({ lameDuck: 0, grace: 10_000, abortGrace: 1_000, signal }),
)
// A bare number of milliseconds: of which phase?
expectError(app.shutdown(10_000))
// A misspelt option.
expectError(app.shutdown({ graceful: 10_000 }))

// --- hold --------------------------------------------------------------------------------------------------

const held = hold(client, (value) => value.end())
expectType<Held<Client>>(held)
expectType<Client>(held.value)
expectType<Held<Client>>(hold(client, () => {}, { name: 'client', disposeTimeout: 1_000 }))
expectAssignable<AsyncDisposable>(held)
expectNotAssignable<Disposable>(held)
// A missing await, and with it a promise that is held instead of its value.
expectError(hold(connect({ signal }), (value) => value.end()))
// A value without its release.
expectError(hold(client))
// The value put in the place of another.
expectError((held.value = client))
// The held thing used as if it were its value.
expectError(held.query('select 1'))

// --- The shapes that users write down ----------------------------------------------------------------------

expectType<'app' | 'request' | 'scope' | 'transient'>({} as Lifetime)
expectType<'app' | 'request' | 'scope'>({} as ScopeKind)
expectType<'open' | 'draining' | 'closing' | 'closed'>({} as ScopeState)
expectType<
  Pick<ScopeOptions, 'name' | 'disposeTimeout' | 'abandonAfter' | 'overrides' | 'onError'>
>({} as Pick<AppOptions, keyof AppOptions>)
expectAssignable<ResourceOptions>({} as ResourceSpec<Client>)
expectAssignable<GeneratorResource<Client>>(async function* () {
  yield client
})
// A generator that yields something else.
expectNotAssignable<GeneratorResource<Client>>(async function* () {
  yield 'text'
})
expectNotType<Resource<unknown>>(pool)
