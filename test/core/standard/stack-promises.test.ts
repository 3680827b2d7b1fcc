/** Whose promises disposing an `AsyncDisposableStack` of `unwind/stack` gives out. */
import assert from 'node:assert/strict'
import { same } from '../support/stacks.ts'

same(
  'what it waits for and gives out are promises of the engine, whatever became of Promise.resolve and Promise.reject',
  async ({ AsyncDisposableStack }) => {
    const { resolve, reject } = Promise
    const refuse = (): never => thrower(new Error('The program answered.'))
    Object.assign(Promise, { resolve: refuse, reject: refuse })
    try {
      const empty = new AsyncDisposableStack()
      empty.use(null)
      await empty.disposeAsync()
      await empty.disposeAsync()
      const failing = new AsyncDisposableStack()
      failing.use({ [Symbol.dispose]: () => thrower(42) })
      const { disposeAsync } = AsyncDisposableStack.prototype
      const failures = [() => failing.disposeAsync(), () => Reflect.apply(disposeAsync, {}, [])]
      const [own, receiver] = await errorsOfAll(failures)
      assert.equal(own, 42)
      assert.ok(receiver instanceof TypeError)
    } finally {
      Object.assign(Promise, { resolve, reject })
    }
  },
)

/** By `await` alone. */
async function errorsOfAll(calls: readonly (() => Promise<void>)[]): Promise<unknown[]> {
  const errors: unknown[] = []
  for (const call of calls) {
    try {
      // oxlint-disable-next-line no-await-in-loop -- they are few
      await call()
    } catch (error) {
      errors.push(error)
    }
  }
  return errors
}

function thrower(error: unknown): never {
  throw error
}
