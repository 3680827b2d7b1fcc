/**
 * The types of `unwind`, signature by signature. Each `expectError` and each `@ts-expect-error` forbids the mistake
 * that the comment above it names.
 */
import { expectAssignable, expectError, expectNotAssignable, expectNotType, expectType } from 'tsd'
import {
  AbandonedError,
  AcquireTimeoutError,
  CaptiveDependencyError,
  CircularDependencyError,
  ClientDisconnectedError,
  createApp,
  currentScope,
  detectLeaks,
  DisposedError,
  DisposeTimeoutError,
  formatError,
  hold,
  inject,
  input,
  NoScopeError,
  NotProvidedError,
  override,
  primaryError,
  resource,
  ResourceProtocolError,
  run,
  ScopeClosedError,
  ScopeIncompleteError,
  ShutdownError,
  tryCurrentScope,
  UnwindError,
  value,
} from 'unwind'
import type {
  AcquireContext,
  App,
  AppOptions,
  Channels,
  Exit,
  GeneratorResource,
  Held,
  Input,
  LeakLevel,
  LeakOptions,
  LeakReport,
  Lifetime,
  Outcome,
  Override,
  Resource,
  ResourceOptions,
  ResourceSnapshot,
  ResourceSpec,
  Scope,
  ScopeKind,
  ScopeOptions,
  ScopeSnapshot,
  ScopeState,
  ShutdownReport,
  Success,
  Task,
} from 'unwind'

interface Client {
  readonly url: string
  query(text: string): Promise<number>
  end(): Promise<void>
}
declare const client: Client
declare const signal: AbortSignal
declare function connect(options: { signal: AbortSignal }): Promise<Client>

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

const pool = resource({ name: 'pool', lifetime: 'app', acquire: connect })
expectType<Promise<Client>>(inject(pool))
// A value instead of the resource that makes it.
expectError(inject(client))
// A missing await: what is injected is a promise.
expectError(inject(pool).url)

// --- resource: a specification -----------------------------------------------------------------------------

expectType<Resource<Client>>(pool)
expectType<string>(pool.name)
expectType<Lifetime>(pool.lifetime)
expectType<Resource<number>>(resource({ acquire: () => 1 }))
expectType<Resource<Client>>(
  resource({
    name: 'connection',
    lifetime: 'request',
    acquireTimeout: 1_000,
    disposeTimeout: 1_000,
    critical: false,
    async acquire(context) {
      expectType<AcquireContext>(context)
      return client
    },
    async release(value, exit) {
      expectType<Client>(value)
      expectType<Exit>(exit)
      await value.end()
    },
    destroy(value, why) {
      expectType<Client>(value)
      expectType<DisposeTimeoutError>(why)
    },
  }),
)
// A release that wants something else than what was acquired.
expectError(resource({ acquire: () => client, release: (text: string) => text.length }))
// A destroy that wants something else than what was acquired.
expectError(resource({ acquire: () => client, destroy: (text: string) => text.length }))
// An acquire function that is missing.
expectError(resource({ release: () => {} }))
// A misspelt option.
expectError(resource({ acquire: () => client, relase: () => {} }))
// A lifetime that does not exist.
expectError(resource({ lifetime: 'singleton', acquire: () => client }))
// An acquire function that needs an argument nobody gives.
expectError(resource({ acquire: (url: string) => url }))
// An option that is there but undefined, where it may only be there or not.
expectError(resource({ name: undefined, acquire: () => client }))

// --- resource: a generator ---------------------------------------------------------------------------------

const transaction = resource(async function* transaction(context) {
  expectType<AcquireContext>(context)
  expectType<Scope>(context.scope)
  expectType<AbortSignal>(context.signal)
  expectType<Client>(await context.get(pool))
  const exit = yield client
  // What comes after the yield sees success alone: everything else is thrown there.
  expectType<Success>(exit)
  expectType<'success'>(exit.status)
  expectType<AbortSignal>(exit.signal)
})
expectType<Resource<Client>>(transaction)
expectType<Resource<number>>(
  resource(function* () {
    yield 1
  }),
)
expectType<Resource<Client>>(
  resource(
    async function* () {
      yield client
    },
    { name: 'client', lifetime: 'scope', acquireTimeout: 1, disposeTimeout: 1, critical: true },
  ),
)
// A generator that returns its value instead of yielding it.
expectError(
  resource(async function* () {
    return client
  }),
)
// A function that is no generator.
expectError(resource(async () => client))
// The options of a specification beside a generator.
expectError(
  resource(
    async function* () {
      yield client
    },
    { release: () => {} },
  ),
)
// A dependency that is used without waiting for it.
expectError(
  resource(async function* ({ get }: AcquireContext) {
    yield get(pool).url
  }),
)

// --- Resource: a key made here alone, and covariant --------------------------------------------------------

// A resource made by hand.
expectNotAssignable<Resource<Client>>({ name: 'client', lifetime: 'app' })
// A replacement of another type.
expectNotAssignable<Resource<Client>>(value('a text is no client'))
expectAssignable<Resource<Pick<Client, 'url'>>>(pool)
expectNotAssignable<Resource<Client>>({} as Resource<Pick<Client, 'url'>>)
// A resource's name and lifetime are what they were when it was made.
expectError((pool.name = 'other'))
expectError((pool.lifetime = 'request'))

// --- value -------------------------------------------------------------------------------------------------

expectType<Resource<Client>>(value(client))
expectType<Resource<Client>>(value(client, { name: 'client' }))
// A release for what somebody else owns.
expectError(value(client, { release: () => {} }))

// --- input, override ---------------------------------------------------------------------------------------

const tenant = input<string>('tenant')
expectType<Input<string>>(tenant)
expectAssignable<Resource<string>>(tenant)
expectType<true>(tenant.input)
// An input without the name that its error would say.
expectError(input<string>())
// A resource taken for an input: nobody provides what is acquired.
expectNotAssignable<Input<Client>>(pool)

expectType<Override>(override(pool, value(client)))
expectType<Override>(override(pool, resource({ acquire: () => client })))
// A replacement of another type.
expectError(override(pool, value('a text is no client')))
// A value instead of the resource that makes it.
expectError(override(pool, client))
// The original and its replacement without `override`.
expectError(createApp({ overrides: [[pool, value(client)]] }))
// One override where a list is wanted.
expectError(createApp({ overrides: override(pool, value(client)) }))
expectType<App>(createApp({ overrides: new Set([override(pool, value(client))]) }))

// --- Scope: what it shows ----------------------------------------------------------------------------------

declare const scope: Scope
expectType<string>(scope.id)
expectType<string>(scope.name)
expectType<ScopeKind>(scope.kind)
expectType<Scope | undefined>(scope.parent)
expectType<ScopeState>(scope.state)
expectType<boolean>(scope.disposed)
expectType<AbortSignal>(scope.signal)
expectType<number | undefined>(scope.deadline)
expectType<AbortSignal>(scope.draining)
// A scope changes its own state.
expectError((scope.state = 'closed'))
expectError((scope.disposed = true))
expectError((scope.signal = signal))

// --- Scope: use, adopt, defer ------------------------------------------------------------------------------

declare const disposable: Disposable & { readonly sync: true }
declare const asyncDisposable: AsyncDisposable & { readonly async: true }
declare const perhaps: (AsyncDisposable & { readonly async: true }) | undefined
expectType<typeof disposable>(scope.use(disposable))
expectType<typeof asyncDisposable>(scope.use(asyncDisposable))
expectType<typeof perhaps>(scope.use(perhaps))
expectType<null>(scope.use(null))
expectType<undefined>(scope.use(undefined))
// Something that cannot be disposed: `adopt` takes it, with a release.
expectError(scope.use(client))
// A missing await: a promise is not what it promises.
expectError(scope.use(Promise.resolve(asyncDisposable)))

const adopted = scope.adopt(client, (value, exit) => {
  expectType<Client>(value)
  expectType<Exit>(exit)
  return value.end()
})
expectType<Client>(adopted)
// A value without its release.
expectError(scope.adopt(client))
// A release that wants something else than what was adopted.
expectError(scope.adopt(client, (text: string) => text.length))

expectType<void>(
  scope.defer((exit) => {
    expectType<Exit>(exit)
  }),
)
expectType<void>(scope.defer(async () => {}))
// The promise of the work instead of the work.
expectError(scope.defer(client.end()))

// --- Scope: get --------------------------------------------------------------------------------------------

expectType<Promise<Client>>(scope.get(pool))
expectType<Promise<Client>>(scope.get(pool, { signal }))
// A missing await: what is got is a promise.
expectError(scope.get(pool).query('select 1'))
// A resource made by hand.
expectError(scope.get({ name: 'pool', lifetime: 'app' }))
// A name instead of the resource.
expectError(scope.get('pool'))
// A timeout, which is the resource's to set.
expectError(scope.get(pool, { timeout: 1_000 }))

expectType<void>(scope.provide(tenant, 'north'))
// A value of another type.
expectError(scope.provide(tenant, 1))
// What is acquired, provided.
expectError(scope.provide(pool, client))

// --- Scope: run, child, enter, bind ------------------------------------------------------------------------

expectType<Promise<number>>(
  scope.run((inner) => {
    expectType<Scope>(inner)
    return 1
  }),
)
expectType<Promise<string>>(scope.run(async () => 'text'))
expectType<Promise<string>>(
  scope.run(
    {
      name: 'import',
      kind: 'request',
      signal,
      timeout: 1_000,
      disposeTimeout: 1_000,
      abandonAfter: 1_000,
      overrides: [override(pool, value(client))],
      onError: () => {},
    },
    async () => 'text',
  ),
)
// An app inside a scope.
expectError(scope.run({ kind: 'app' }, () => 1))
// The body forgotten.
expectError(scope.run({ timeout: 1_000 }))
// A controller instead of its signal.
expectError(scope.run({ signal: new AbortController() }, () => 1))

expectType<Scope>(scope.child())
expectType<Scope>(app.child({ name: 'job', kind: 'scope' }))
// A body given to `child`: that is `run`.
expectError(scope.child(async () => 1))

expectType<number>(scope.enter(() => 1))
expectType<Promise<number>>(scope.enter(async () => 1))
// `enter` opens no scope, so it has none to give.
expectError(scope.enter((inner: Scope) => inner))

const bound = scope.bind((text: string, length?: number) => text.length === length)
expectType<(text: string, length?: number) => boolean>(bound)
// A listener called with what it does not take.
expectError(bound(1))
// A call instead of a listener.
expectError(scope.bind(bound('text')))

// --- Scope: fork, all, stream ------------------------------------------------------------------------------

const task = scope.fork(async (own) => {
  expectType<AbortSignal>(own)
  return 1
})
expectType<Task<number>>(task)
expectAssignable<Promise<number>>(task)
expectType<void>(task.abort())
expectType<void>(task.abort('any reason'))
expectType<Task<string>>(scope.fork(() => 'text', { onClose: 'abort' }))
expectType<Task<string>>(scope.fork(() => 'text', { onClose: 'await' }))
// The promise of the work instead of the work.
expectError(scope.fork(client.end()))
// A way to end that does not exist.
expectError(scope.fork(() => 'text', { onClose: 'detach' }))
// A task taken for its result.
expectError(task.toFixed())

expectType<Promise<[number, string, Client]>>(
  scope.all([() => 1, async () => 'text', (own) => connect({ signal: own })]),
)
expectType<Promise<[]>>(scope.all([]))
expectType<Promise<number[]>>(scope.all([1, 2].map((n) => async () => n)))
// Promises, which nobody could abort any more.
expectError(scope.all([client.end(), client.end()]))

const rows = scope.stream(
  (async function* () {
    yield 1
  })(),
)
expectType<AsyncGenerator<number, void, undefined>>(rows)
// A list, or a function, instead of the stream.
expectError(scope.stream([1, 2]))
expectError(
  scope.stream(async function* () {
    yield 1
  }),
)

// --- Scope: its end ----------------------------------------------------------------------------------------

expectType<void>(scope.complete())
expectType<void>(scope.fail(new Error('a reason')))
expectType<void>(scope.fail(undefined))
expectType<void>(scope.abort())
expectType<void>(scope.abort('any reason'))
expectType<Promise<void>>(scope.close())
expectAssignable<AsyncDisposable>(scope)
// A failure without its error.
expectError(scope.fail())
// An outcome with a value: what a block answers is the result of `run`.
expectError(scope.complete(1))

export async function explicitScope(): Promise<void> {
  await using child = app.child()
  expectType<Scope>(child)
  child.complete()
}

// A scope can only be closed by waiting for it.
expectNotAssignable<Disposable>(scope)
expectNotAssignable<Disposable>(app)
export function synchronousScope(): void {
  // @ts-expect-error: `using` instead of `await using`
  using child = app.child()
  child.complete()
}

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
