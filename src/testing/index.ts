/**
 * `node --test --import unwind/testing`: every test that leaves something held fails, and is told what and where. Under
 * Vitest: `setupFiles: ['unwind/testing']`. Imported by a test itself, it watches nothing but what it is asked to.
 */
import { watchTests } from './node-test.ts'
import { watchVitest } from './vitest.ts'

export { allowLeak } from './allowed.ts'
export { fakeResource, type FakeRecord } from './fake-resource.ts'
export { assertNoLeaks, noLeaks } from './guards.ts'
export { watchTests } from './node-test.ts'

if (process.env.VITEST === 'true') void watchVitest()
else if (isPreloaded() && !isRunner()) watchTests()

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
