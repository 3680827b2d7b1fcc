/**
 * The types of a scope, member by member.
 * Each `expectError` and each `@ts-expect-error` forbids the mistake that the comment above it names.
 */
import { expectAssignable, expectError, expectNotAssignable, expectType } from 'tsd'
import { override, value } from 'unwind'
import type { Exit, Scope, ScopeKind, ScopeState, Task } from 'unwind'

import { app, client, connect, pool, scope, signal, tenant, type Client } from './support/client.js'

// --- Scope: what it shows ----------------------------------------------------------------------------------

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
