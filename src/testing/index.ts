/**
 * `node --test --import unwind/testing`: every test that leaves something held fails, and is told what and where. Under
 * Vitest: `setupFiles: ['unwind/testing']`. Imported by a test itself, it watches nothing but what it is asked to.
 */
import { isMainThread } from 'node:worker_threads'
import { watchTests } from './node-test.ts'
import { watchVitest } from './vitest.ts'

export { allowLeak } from './allowed.ts'
export { fakeResource, type FakeRecord } from './fake-resource.ts'
export { assertNoLeaks, noLeaks } from './guards.ts'
export { watchTests } from './node-test.ts'

if (process.env.VITEST === 'true') void watchVitest()
else if (isPreloaded() && isMainThread && !isStartedByTest()) watchTests()

/** By a flag of the command line, or by `NODE_OPTIONS`. */
function isPreloaded(): boolean {
  const options = [...process.execArgv, ...(process.env.NODE_OPTIONS ?? '').split(' ')]
  return options.some((option) => /(?:^|=)unwind\/testing$|\/testing\/index\.[jt]s$/.test(option))
}

/** A program has no tests, but the flags of the test that forks it: to its output `node:test` would add that there are none. */
function isStartedByTest(): boolean {
  const { env, pid, ppid } = process
  // The runner has none, and with `--require` it loads this too: what it starts are tests.
  if (env.NODE_TEST_CONTEXT === undefined) return false
  const parent = env.UNWIND_TEST_PROCESS
  env.UNWIND_TEST_PROCESS = String(pid)
  return parent === String(ppid)
}
