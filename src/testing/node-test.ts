/**
 * Every test of `node:test` is looked at when everything else of it is over: its own `after` hooks included, which may be
 * what releases. What belongs to no test is looked at when the process ends.
 */
import { afterEach, beforeEach } from 'node:test'
import { detectLeaks } from '../core/watching/detection.ts'
import { knowsTests, type TestLike } from './current-test.ts'
import { leftovers } from './leftovers.ts'
import { testOf } from './noted.ts'
import { began, by, leftBy } from './side-by-side.ts'
import { giveBack, leakError, settledLeftovers } from './verdict.ts'

let watching = false

/**
 * What `--import unwind/testing` does, for a setup file of one's own that does more: from now on every test of `node:test`
 * that leaves something held fails with `ERR_LEAKED`. A second call does nothing. Under Vitest, `setupFiles` is the way.
 */
export function watchTests(): void {
  if (watching) return
  watching = true
  detectLeaks({ level: 'full' })
  if (!knowsTests) beforeEach((context) => began(asTest(context)))
  afterEach((context) => {
    const test = asTest(context)
    // Behind all hooks that the test itself has registered.
    test.after(() => judge(test))
  })
  process.once('exit', judgeTheRest)
}

function asTest(context: unknown): TestLike {
  // Hooks of tests are given the context of the test.
  return context as TestLike
}

async function judge(test: TestLike): Promise<void> {
  const { left, suspects } = knowsTests
    ? { left: await settledLeftovers((note) => testOf(note) === test), suspects: [test] }
    : await leftBy(test, settledLeftovers)
  if (left.length === 0) return
  const advice = suspects.length > 1 ? '; Node.js 24 and later know which' : ''
  const error = leakError(left, by(suspects) + advice)
  await giveBack(left)
  // A test that failed has something more important to say.
  if (test.passed !== false) throw error
}

/** Nothing can be waited for any more, and nothing will come. */
function judgeTheRest(): void {
  const left = leftovers(() => true)
  if (left.length === 0) return
  process.stderr.write(`${leakError(left, 'outside of every test').message}\n`)
  process.exitCode = 1
}
