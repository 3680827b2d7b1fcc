/** A request that answers with a stream. */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import type { Scope } from 'unwind'
import { setUp, type Fixture } from './app.ts'
import { quiet } from './promises.ts'

export interface Streaming extends Fixture {
  readonly scope: Scope
  readonly stream: AsyncGenerator<number, void, undefined>
}

/** A request that answers with the numbers of `source`, and has a lease as long. */
export async function streaming(
  t: TestContext,
  source: (fixture: Fixture, scope: Scope) => AsyncIterable<number>,
): Promise<Streaming> {
  const fixture = setUp(t)
  const { app, tracker } = fixture
  let opened: Scope | undefined
  const stream = await app.run({ name: 'feed' }, async (scope) => {
    opened = scope
    await scope.get(tracker.resource('lease'))
    return scope.stream(source(fixture, scope))
  })
  assert.ok(opened !== undefined)
  return { ...fixture, scope: opened, stream }
}

/** Three numbers, each of which uses the lease. */
export function counting({ tracker }: Fixture): AsyncIterable<number> {
  return (async function* () {
    try {
      for (const number of [1, 2, 3]) {
        await quiet()
        tracker.use(tracker.find('lease')[0])
        yield number
      }
    } finally {
      tracker.events.push('source ended')
    }
  })()
}
