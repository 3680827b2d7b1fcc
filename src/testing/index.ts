/**
 * `node --test --import unwind/testing`: every test that leaves something held fails, and is told what and where. Under
 * Vitest: `setupFiles: ['unwind/testing']`. Imported by a test itself, it watches nothing but what it is asked to.
 */
import { watchNodeTests } from './node-test.ts'
import { watchVitest } from './vitest.ts'

export { allowLeak } from './allowed.ts'
export { fakeResource, type FakeRecord } from './fake-resource.ts'
export { assertNoLeaks, noLeaks } from './guards.ts'

/**
 * What `--import unwind/testing` does, for a setup file of one's own that does more: from now on every test of `node:test`
 * that leaves something held fails with `ERR_LEAKED`. A second call does nothing. Under Vitest, `setupFiles` is the way.
 */
export function watchTests(): void {
  watchNodeTests()
}

if (process.env.VITEST === 'true') void watchVitest()
else if (isPreloaded() && !isRunner()) watchNodeTests()

/** By a flag of the command line, or by `NODE_OPTIONS`. */
function isPreloaded(): boolean {
  const options = [...process.execArgv, ...(process.env.NODE_OPTIONS ?? '').split(' ')]
  return options.some((option) => /(?:^|=)unwind\/testing$|\/testing\/index\.[jt]s$/.test(option))
}

/** The process that starts the tests of `node --test`, each file in a process of its own, and has none itself. */
function isRunner(): boolean {
  const { execArgv, env } = process
  const inProcess = execArgv.some((option) =>
    /^--(?:experimental-)?test-isolation=none$/.test(option),
  )
  return env.NODE_TEST_CONTEXT === undefined && execArgv.includes('--test') && !inProcess
}
