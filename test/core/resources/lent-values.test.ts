/** A resource that hands on what a dependency gave it: that is released once, by the resource that it came from. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inject, input, resource, value, type AcquireContext, type Resource } from 'unwind'
import { setUp } from '../support/app.ts'

interface Handle extends AsyncDisposable {
  readonly disposals: number
}

function handle(): Handle {
  return {
    disposals: 0,
    async [Symbol.asyncDispose]() {
      Object.assign(this, { disposals: this.disposals + 1 })
    },
  }
}

const ways: Record<string, (context: AcquireContext, lender: Resource<Handle>) => Promise<Handle>> =
  {
    'context.get': async ({ get }, lender) => await get(lender),
    inject: async (_context, lender) => await inject(lender),
    'its scope': async ({ scope }, lender) => await scope.get(lender),
    'another scope': async ({ scope }, lender) => await (scope.parent ?? scope).get(lender),
  }

for (const [name, borrow] of Object.entries(ways)) {
  for (const there of [false, true]) {
    const when = there ? 'that is there already' : 'that is acquired for it'
    test(`what ${name} gave, of a dependency ${when}, is released by that dependency alone`, async (t) => {
      const { app } = setUp(t)
      const made = handle()
      const lender = resource({ name: 'lender', lifetime: 'app', acquire: () => made })
      const borrower = resource({ name: 'borrower', acquire: (context) => borrow(context, lender) })
      if (there) await app.get(lender)
      assert.equal(await app.run((scope) => scope.get(borrower)), made)
      assert.equal(made.disposals, 0)
      await app.close()
      assert.equal(made.disposals, 1)
    })
  }
}

test('a value that was borrowed through several resources is released once', async (t) => {
  const { app } = setUp(t)
  const made = handle()
  const lender = resource({ name: 'lender', acquire: () => made })
  const first = resource({ name: 'first', acquire: ({ get }) => get(lender) })
  const second = resource({ name: 'second', acquire: ({ get }) => get(first) })
  await app.run((scope) => scope.get(second))
  assert.equal(made.disposals, 1)
})

test('a value of somebody else, and an input, are not released by the resource that hands them on', async (t) => {
  const { app } = setUp(t)
  const [shared, brought] = [handle(), handle()]
  const connection = input<Handle>('connection')
  const givenShared = value(shared)
  const ofValue = resource({ name: 'of a value', acquire: ({ get }) => get(givenShared) })
  const ofInput = resource({ name: 'of an input', acquire: ({ get }) => get(connection) })
  const ofScope = resource({ name: 'of a scope', acquire: ({ scope }) => scope.get(givenShared) })
  await app.run(async (scope) => {
    scope.provide(connection, brought)
    await scope.get(ofValue)
    await scope.get(ofInput)
    await scope.get(ofScope)
  })
  assert.deepEqual([shared.disposals, brought.disposals], [0, 0])
})

test('a resource with a release of its own runs it, whoever made the value', async (t) => {
  const { app } = setUp(t)
  const made = handle()
  const seen: Handle[] = []
  const lender = resource({ name: 'lender', acquire: () => made })
  const borrower = resource({
    name: 'borrower',
    acquire: ({ get }) => get(lender),
    release: (borrowed) => seen.push(borrowed),
  })
  await app.run((scope) => scope.get(borrower))
  assert.deepEqual(seen, [made])
  assert.equal(made.disposals, 1)
})

test('a new value made from what a dependency gave is released by its resource', async (t) => {
  const { app } = setUp(t)
  const [outer, inner] = [handle(), handle()]
  const lender = resource({ name: 'lender', acquire: () => inner })
  const wrapper = resource({
    name: 'wrapper',
    async acquire({ get }) {
      await get(lender)
      return outer
    },
  })
  await app.run((scope) => scope.get(wrapper))
  assert.deepEqual([outer.disposals, inner.disposals], [1, 1])
})
