/**
 * Random programs of scopes, in which everything that a scope can do happens beside everything else. Whatever comes of it:
 * what was acquired is released once, in reverse order, in its context, with the outcome so far; every error arrives
 * somewhere; nothing hangs, and no rejection is left unhandled. A failure prints the seed and the smallest program.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import { within } from './support/promises.ts'
import { plan } from './support/scope-plans.ts'
import { runPlan } from './support/scope-runner.ts'

const programs = Number(process.env['SCOPE_PROGRAMS'] ?? 2_000)

test(`whatever scopes do at the same time, nothing is lost (${programs} programs)`, async (t) => {
  const unhandled: unknown[] = []
  const listener = (error: unknown): void => void unhandled.push(error)
  process.on('unhandledRejection', listener)
  t.after(() => process.off('unhandledRejection', listener))
  const property = fc.asyncProperty(plan, async (program) => {
    const breaches = await within(runPlan(program))
    await turn()
    assert.deepEqual([...breaches, ...unhandled.splice(0)], [])
  })
  await fc.assert(property, { numRuns: programs })
})
