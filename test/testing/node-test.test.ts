/** `node --test --import unwind/testing`: the test that leaves something held fails, and no other. */
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import * as nodeTest from 'node:test'
import { fixture, runTests, start, type Outcome } from './support/runner.ts'

const knowsTests = 'getTestContext' in nodeTest

describe('node --test --import unwind/testing', () => {
  let outcome: Outcome
  before(async () => {
    outcome = await runTests('leaky', '--import', 'unwind/testing')
  })

  test('fails exactly the tests that left something held', () => {
    const failed = [...outcome.failed.keys()].filter((name) => name.startsWith('leaky'))
    assert.deepEqual(failed, [
      'leaky: a scope',
      'leaky: an app',
      'leaky: a value',
      'leaky: a test that has a failure of its own',
      'leaky: a part',
      'leaky: many',
    ])
    const clean = outcome.passed.filter((name) => name.startsWith('clean'))
    assert.equal(clean.length, 10)
    assert.deepEqual(
      [...outcome.failed.keys()].filter((name) => name.startsWith('clean')),
      [],
    )
    assert.notEqual(outcome.code, 0)
  })

  test('says what was left, in which test, and where it was acquired', () => {
    const said = (name: string): string => outcome.failed.get(name) ?? ''
    assert.match(said('leaky: a scope'), /1 thing was left held by "leaky: a scope"/)
    assert.match(said('leaky: a scope'), /the scope "forgotten job" .*which holds "connection"/)
    assert.match(said('leaky: an app'), /the app "forgotten app" .*which holds "pool"/)
    assert.match(
      said('leaky: a value'),
      /"redis", acquired\s+at TestContext\.valueTest \(.*leaky\.[jt]s:\d+/,
    )
    assert.match(said('leaky: a value'), /allowLeak\(what, reason\)/)
    assert.match(said('leaky: a value'), /ERR_LEAKED/)
    assert.match(said('leaky: a part'), /by "a test with parts > leaky: a part"/)
  })

  test('names the first ten of many', () => {
    const said = outcome.failed.get('leaky: many') ?? ''
    assert.match(said, /13 things were left held/)
    assert.match(said, /"number 9"/)
    assert.doesNotMatch(said, /"number 10"/)
    assert.match(said, /and 3 more/)
  })

  test('leaves a failure that the test has of its own as it is', () => {
    const said = outcome.failed.get('leaky: a test that has a failure of its own') ?? ''
    assert.match(said, /its own failure/)
    assert.doesNotMatch(said, /left held/)
  })

  test('tells tests apart that run at the same time and have the same name', () => {
    const said = outcome.failed.get('twins') ?? ''
    assert.match(said, /"redis of a twin"/)
    assert.equal(outcome.passed.filter((name) => name === 'twins').length, 1)
    if (knowsTests) assert.match(said, /by "at the same time > twins"/)
    else assert.match(said, /by one of the tests that ran at the same time/)
  })
})

test('what belongs to no test fails the file, when everything is over', async () => {
  const { code, output, passed } = await runTests('outside', '--import', 'unwind/testing')
  assert.notEqual(code, 0)
  assert.deepEqual(passed, ['passes'])
  assert.match(output, /left held outside of every test:/)
  assert.match(output, /the app "module" .*which holds "pool", acquired/)
})

test('adds nothing to what the programs and the threads say that a test starts', async () => {
  const { failed, passed } = await runTests('programs', '--import', 'unwind/testing')
  assert.deepEqual([...failed.keys()], [])
  assert.deepEqual(passed.slice(0, 2), ['a process', 'a thread'])
})

test('a setup file of one’s own can ask for the same', async () => {
  const { failed } = await runTests('one', '--import', new URL(`file:${fixture('setup')}`).href)
  assert.deepEqual([...failed.keys()].slice(0, 1), ['leaky'])
})

test('a test that leaves timers replaced, and a release that never ends, does not stop the next one', async () => {
  const { failed, passed } = await runTests('stopped-timers', '--import', 'unwind/testing')
  assert.match(failed.get('leaky') ?? '', /"redis", acquired/)
  assert.deepEqual(passed, ['clean'])
})

test('a test file that imports unwind/testing is not watched by that', async () => {
  const { code, failed } = await runTests('one')
  assert.deepEqual([...failed.keys()], [])
  assert.equal(code, 0)
})

test(
  'works without a process for each file',
  { skip: !knowsTests && 'Node.js 22 has no --test-isolation' },
  async () => {
    for (const flags of [['--test-isolation=none'], ['--test-isolation', 'none']]) {
      const { failed } = await runTests('one', ...flags, '--import', 'unwind/testing')
      assert.deepEqual([...failed.keys()], ['leaky'], flags.join(' '))
    }
  },
)

test('works by --require, which the runner heeds too, and is no test for that', async () => {
  const { failed } = await runTests('one', '--require', 'unwind/testing')
  assert.deepEqual([...failed.keys()].slice(0, 1), ['leaky'])
  const programs = await runTests('programs', '--require', 'unwind/testing')
  assert.deepEqual([...programs.failed.keys()], [])
})

test('works by NODE_OPTIONS, and for a file that is run without --test', async () => {
  const { code, output } = await start([fixture('one')], {
    NODE_OPTIONS: '--import unwind/testing',
  })
  assert.notEqual(code, 0)
  assert.match(output, /1 thing was left held by "leaky"/)
})
