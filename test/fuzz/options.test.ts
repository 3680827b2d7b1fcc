/** Whatever comes as the options of a public function is refused with a TypeError that names the option, and nothing happens. */
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import fc from 'fast-check'

import { openDoors, type Door } from './doors.ts'

/** No option has this name, so that every call has to be refused, before it does anything. */
const stranger = 'notAnOption'

const junk = fc.anything({
  withBigInt: true,
  withDate: true,
  withMap: true,
  withNullPrototype: true,
  withObjectString: true,
  withSet: true,
  withSparseArray: true,
  withTypedArray: true,
  maxDepth: 2,
})

/** What inspects and converts itself in its own way, or not at all. */
const hostile = fc.constantFrom<unknown>(
  Object.freeze(Object.create(null)),
  new Proxy({}, {}),
  {
    toString: () => {
      throw new Error('toString')
    },
  },
  {
    [Symbol.for('nodejs.util.inspect.custom')]: () => {
      throw new Error('inspect')
    },
  },
  // oxlint-disable-next-line unicorn/no-thenable -- that is what is tried
  { then: () => {} },
  Symbol('option'),
  Number.NaN,
  -0,
)

function optionsOf(door: Door): fc.Arbitrary<Record<string, unknown>> {
  const key = fc.oneof(fc.constantFrom(...door.options), fc.string(), fc.constant('__proto__'))
  return fc
    .tuple(fc.dictionary(key, fc.oneof(junk, hostile), { maxKeys: 4 }), fc.nat(4))
    .map(([given, place]) =>
      Object.fromEntries(Object.entries(given).toSpliced(place, 0, [stranger, 1])),
    )
}

async function failureOf(door: Door, options: unknown): Promise<unknown> {
  try {
    await door.open(options as never) // of no type: that is what is tried
    return undefined
  } catch (error) {
    return error
  }
}

const doors = await openDoors()
after(() => doors[Symbol.asyncDispose]())

describe('the options of every public function', { concurrency: 1 }, () => {
  for (const door of doors.all) {
    test(`${door.name} refuses what it does not know, and names it`, async () => {
      await fc.assert(
        fc.asyncProperty(optionsOf(door), async (options) => {
          const error = await failureOf(door, options)
          assert.ok(error instanceof TypeError, String(error))
          const [, named = ''] = /[oO]ption `([^]*?)` of /.exec(error.message) ?? []
          assert.ok(named in options, error.message)
          if (named === stranger)
            for (const known of door.options) assert.ok(error.message.includes(known))
        }),
        { numRuns: 40 },
      )
    })

    test(`${door.name} wants an object`, async () => {
      const primitives = fc.oneof(
        fc.constant(null),
        fc.string(),
        fc.double(),
        fc.boolean(),
        fc.bigInt(),
      )
      await fc.assert(
        fc.asyncProperty(primitives, async (options) => {
          const error = await failureOf(door, options)
          assert.ok(error instanceof TypeError, String(error))
          assert.match(error.message, /^Expected .* to be (?:an? |.*object)/)
        }),
        { numRuns: 10 },
      )
    })
  }
})
