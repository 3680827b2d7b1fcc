/**
 * The types of `unwind/testing`, signature by signature. Each `expectError` forbids the mistake that the comment above it
 * names.
 */
import { expectAssignable, expectError, expectNotAssignable, expectType } from 'tsd'
import { createApp, override, resource, value, type Resource } from 'unwind'
import { allowLeak, assertNoLeaks, fakeResource, noLeaks, watchTests } from 'unwind/testing'
import type { FakeRecord } from 'unwind/testing'

interface Client {
  query(text: string): Promise<number>
}
declare const client: Client
const original = resource({ name: 'client', acquire: () => client })

// --- assertNoLeaks, noLeaks --------------------------------------------------------------------------------

expectType<Promise<number>>(assertNoLeaks(() => 1))
expectType<Promise<string>>(assertNoLeaks(async () => 'text'))
// A missing await: what it gives is a promise.
expectError(assertNoLeaks(() => 1).toFixed())
// The body forgotten.
expectError(assertNoLeaks())
// A promise instead of the function that makes it: what it acquired would not be seen.
expectError(assertNoLeaks(Promise.resolve(1)))

expectType<AsyncDisposable>(noLeaks())
// `using` instead of `await using`: it has to wait.
expectNotAssignable<Disposable>(noLeaks())

// --- allowLeak ---------------------------------------------------------------------------------------------

expectType<void>(allowLeak(original, 'shared by all tests'))
expectType<void>(allowLeak(createApp(), 'closed by the framework'))
// The reason forgotten.
expectError(allowLeak(original))
// A name instead of the thing.
expectError(allowLeak('client', 'shared by all tests'))

// --- fakeResource ------------------------------------------------------------------------------------------

const fake = fakeResource(client, {
  name: 'client',
  failAcquire: undefined,
  failRelease: new Error(),
})
expectAssignable<Resource<Client>>(fake)
expectAssignable<FakeRecord>(fake)
expectType<number>(fake.acquired)
expectType<number>(fake.released)
expectType<readonly string[]>(fake.exits)
expectAssignable<Parameters<typeof createApp>[0]>({ overrides: [override(original, fake)] })
// A fake of another type.
expectError(override(original, fakeResource('a text is no client')))
// Its counts are its own.
expectError((fake.acquired = 0))
// A misspelt option.
expectError(fakeResource(client, { failOnAcquire: true }))

expectType<void>(watchTests())
expectAssignable<Resource<string>>(value('text'))
