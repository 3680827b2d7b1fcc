/**
 * Random programs of acts: from within whatever runs (a body, a task, a release, an acquire function, a source, a listener,
 * a subscriber), something is done to any scope there is, of this app or of another, open or closed for long. Whatever
 * comes of it, what holds for random-scopes.test.ts holds. A failure prints the seed and the smallest program.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import { program } from './support/act-plans.ts'
import { runActs } from './support/act-runner.ts'
import { within } from './support/promises.ts'

const programs = Number(process.env['ACT_PROGRAMS'] ?? 500)

test(`whoever does whatever to whichever scope, nothing is lost (${programs} programs)`, async (t) => {
  const unhandled: unknown[] = []
  const listener = (error: unknown): void => void unhandled.push(error)
  process.on('unhandledRejection', listener)
  t.after(() => process.off('unhandledRejection', listener))
  const property = fc.asyncProperty(program, async (acts) => {
    const breaches = await within(runActs(acts))
    await turn()
    assert.deepEqual([...breaches, ...unhandled.splice(0)], [])
  })
  await fc.assert(property, { numRuns: programs })
})
