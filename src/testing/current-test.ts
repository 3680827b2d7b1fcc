/**
 * Which test runs. Node.js 24 and later know it in every callback that the test caused; before that nobody does, and what
 * was acquired since the test began counts as its own.
 */
import * as nodeTest from 'node:test'

/** The part of a test's context that is used. */
export interface TestLike {
  readonly name: string
  readonly fullName?: string
  readonly passed?: boolean
  after(check: () => Promise<void>): void
}

// Since 24.21 and 26.1; the typings may be older.
const { getTestContext } = nodeTest as { getTestContext?: () => TestLike | undefined }

/** Whether what is acquired can be attributed to a test, also when several run at the same time. */
export const knowsTests: boolean = getTestContext !== undefined

/** `undefined` outside of tests: in modules, and in hooks that belong to no test. */
export function currentTest(): TestLike | undefined {
  const test = getTestContext?.()
  return test?.name === '<root>' ? undefined : test
}
