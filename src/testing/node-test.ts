/**
 * Every test of `node:test` is looked at when everything else of it is over: its own `after` hooks included, which may be
 * what releases. What belongs to no test is looked at when the process ends.
 */
import { afterEach, beforeEach } from 'node:test'
import { detectLeaks } from '../core/detection.ts'
import { latestNote, type Note } from '../core/notes.ts'
import { knowsTests, type TestLike } from './current-test.ts'
import { leftovers } from './leftovers.ts'
import { giveBack, leakError, settledLeftovers } from './verdict.ts'

/**
 * Where nobody knows who acquires: the tests that run, with the number of the latest note when each began. What is noted
 * later was acquired since.
 */
const running = new Map<TestLike, number>()
/** Those of which some ran at the same time, since there was a moment without any. */
let together: TestLike[] = []
let togetherSince = 0

let watching = false

/** From now on every test that leaves something held fails. Also called by `node --test --import unwind/testing`. */
export function watchNodeTests(): void {
  if (watching) return
  watching = true
  detectLeaks({ level: 'full' })
  beforeEach((context) => begin(asTest(context)))
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

function begin(test: TestLike): void {
  if (knowsTests) return
  const mark = latestNote()
  running.set(test, mark)
  const strangers = strangersOf(test)
  if (strangers.length === 0) return
  if (together.length === 0) togetherSince = Math.min(mark, ...strangers.map(markOf))
  together = [...new Set([...together, ...strangers, test])]
}

async function judge(test: TestLike): Promise<void> {
  const isAskedFor = knowsTests ? ({ owner }: Note) => owner === test : sinceItBegan(test)
  if (isAskedFor === undefined) return
  const left = await settledLeftovers(isAskedFor)
  const suspects = together
  together = []
  if (left.length === 0) return
  const error = leakError(left, by(suspects.length === 0 ? [test] : suspects))
  await giveBack(left)
  // A test that failed has something more important to say.
  if (test.passed !== false) throw error
}

/** `undefined` while others run: it may be theirs, and is looked at when they are over. */
function sinceItBegan(test: TestLike): ((note: Note) => boolean) | undefined {
  const mark = together.includes(test) ? togetherSince : markOf(test)
  running.delete(test)
  return strangersOf(test).length > 0 ? undefined : ({ serial }) => serial > mark
}

function markOf(test: TestLike): number {
  return running.get(test) ?? latestNote()
}

/** The ones that run beside it: not those that it is a part of. */
function strangersOf(test: TestLike): TestLike[] {
  const name = nameOf(test)
  return [...running.keys()].filter(
    (other) => other !== test && !name.startsWith(`${nameOf(other)} > `),
  )
}

function nameOf({ name, fullName }: TestLike): string {
  return fullName ?? name
}

function by(tests: readonly TestLike[]): string {
  const names = tests.map((test) => `"${nameOf(test)}"`).join(', ')
  if (tests.length === 1) return `by ${names}`
  return `by one of the tests that ran at the same time, ${names}; Node.js 24 and later know which`
}

/** Nothing can be waited for any more, and nothing will come. */
function judgeTheRest(): void {
  const left = leftovers(() => true)
  if (left.length === 0) return
  process.stderr.write(`${leakError(left, 'outside of every test').message}\n`)
  process.exitCode = 1
}
