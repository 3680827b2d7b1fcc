/** A stand-in for a resource, which remembers what was done with it. */
import { checkOptions, text, type Rule } from '../core/options.ts'
import { resource } from '../core/resources/resource.ts'
import type { Exit, Resource } from '../core/types.ts'

const anything: Rule = { expected: 'anything', accepts: () => true }
const rules = { name: text, failAcquire: anything, failRelease: anything }

/** What was done with a fake. */
export interface FakeRecord {
  /** How many times it was acquired, failed ones not counted. */
  readonly acquired: number
  /** How many times its release was called. */
  readonly released: number
  /** With which outcome, in the order of the releases: `success`, `failure`, `aborted`, `unknown`. */
  readonly exits: readonly string[]
}

/**
 * A resource that yields `value`, for `override` or for itself, and counts.
 *
 * @example
 * ```ts
 * const fake = fakeResource(new FakeClient(), { name: 'client' })
 * await using app = createApp({ overrides: [override(client, fake)] })
 * await app.run((scope) => scope.get(client))
 * assert.deepEqual(fake.exits, ['success'])
 * ```
 * @param options.failAcquire thrown instead of acquiring; `undefined`, too, where it is given
 * @param options.failRelease thrown by each release, likewise
 * @throws {TypeError} for unknown or wrong options
 */
export function fakeResource<T>(
  value: T,
  options?: { name?: string; failAcquire?: unknown; failRelease?: unknown },
): Resource<T> & FakeRecord {
  checkOptions('fakeResource()', options, rules)
  const exits: string[] = []
  const record = { acquired: 0, released: 0, exits }
  const made = resource<T>({
    name: options?.name ?? 'fake',
    acquire() {
      if (options !== undefined && 'failAcquire' in options) throw options.failAcquire
      record.acquired += 1
      return value
    },
    release(_, { status }: Exit) {
      record.released += 1
      record.exits.push(status)
      if (options !== undefined && 'failRelease' in options) throw options.failRelease
    },
  })
  return withRecord(made, record)
}

/** A resource is frozen, so this is another object with the same recipe. */
function withRecord<T>(
  made: Resource<T>,
  record: { acquired: number; released: number; exits: string[] },
): Resource<T> & FakeRecord {
  const descriptors = Object.getOwnPropertyDescriptors(made)
  const counted = Object.defineProperties(
    {},
    {
      ...descriptors,
      acquired: { get: () => record.acquired, enumerable: true },
      released: { get: () => record.released, enumerable: true },
      exits: { get: () => [...record.exits], enumerable: true },
    },
  )
  // It has everything that a resource has, and what the record adds.
  return Object.freeze(counted) as Resource<T> & FakeRecord
}
