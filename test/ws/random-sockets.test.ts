/**
 * Random programs of real sockets: whatever both ends do at the same time, messages come in their order and none is lost
 * before an orderly close, each scope is closed once, and nothing is live afterwards. A failure prints the seed and the
 * smallest program.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'

import { quiet, within } from '../core/support/promises.ts'
import { plan } from './support/socket-plans.ts'
import { runPlan } from './support/socket-runner.ts'
import { watchTimers } from './support/timers.ts'

const programs = Number(process.env['SOCKET_PROGRAMS'] ?? 120)

/** What holds the process. */
function live(): string[] {
  return process.getActiveResourcesInfo().filter((name) => /Timeout|TCP/.test(name))
}

test(`whatever both ends of sockets do, nothing is lost (${programs} programs)`, async (t) => {
  const unexpected: unknown[] = []
  const listener = (error: unknown): void => void unexpected.push(error)
  for (const event of ['unhandledRejection', 'warning']) {
    process.on(event, listener)
    t.after(() => process.off(event, listener))
  }
  using timers = watchTimers()
  const before = live()
  const property = fc.asyncProperty(plan, async (program) => {
    const breaches = await within(runPlan(program))
    await quiet()
    assert.deepEqual([...breaches, ...unexpected.splice(0)], [])
    assert.deepEqual(live(), before)
  })
  await fc.assert(property, { numRuns: programs })
  await quiet()
  assert.equal(timers.alive, 0)
})
