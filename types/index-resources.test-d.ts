/**
 * The types of resources, signature by signature: how they are made, provided and replaced.
 * Each `expectError` and each `@ts-expect-error` forbids the mistake that the comment above it names.
 */
import { expectAssignable, expectError, expectNotAssignable, expectType } from 'tsd'
import { createApp, input, override, resource, value } from 'unwind'
import type {
  AcquireContext,
  App,
  DisposeTimeoutError,
  Exit,
  Input,
  Lifetime,
  Override,
  Resource,
  Scope,
  Success,
} from 'unwind'

import { client, connect, type Client } from './support/client.js'

const pool = resource({ name: 'pool', lifetime: 'app', acquire: connect })

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
