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
  return /(?:^|[ =])unwind\/testing(?: |$)|\/testing\/index\.[jt]s(?: |$)/.test(flags())
}

/** The process that starts the tests of `node --test`, each file in a process of its own, and has none itself. */
function isRunner(): boolean {
  const { execArgv, env } = process
  const inProcess = /--(?:experimental-)?test-isolation[ =]none(?: |$)/.test(flags())
  return env.NODE_TEST_CONTEXT === undefined && execArgv.includes('--test') && !inProcess
}

/** The value of one may stand in the same word, or in the next. */
function flags(): string {
  const { execArgv, env } = process
  return [...execArgv, env.NODE_OPTIONS ?? ''].join(' ')
}
