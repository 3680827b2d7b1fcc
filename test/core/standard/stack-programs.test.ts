/**
 * Random programs on the stacks of the standard, ours and the native ones: what is read, called and thrown, in which order
 * and in which turn of the microtask queue, must be equal, however hostile the values are. A failure prints the seed and
 * the smallest program. Node.js 22 has no native ones to compare with.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import * as ours from 'unwind/stack'
import { Machine, type Stacks } from '../support/stack-machine.ts'
import { program } from '../support/stack-plans.ts'

const programs = Number(process.env['STACK_PROGRAMS'] ?? 400)

const hasNative = 'AsyncDisposableStack' in globalThis

test(
  `random programs on stacks go as on the native ones (${programs} of them)`,
  { skip: !hasNative && 'Node.js 22 has none' },
  async () => {
    // The global ones have the shape of the standard, as ours have.
    const native = globalThis as unknown as Stacks
    const property = fc.asyncProperty(program, async (acts) => {
      const expected = await new Machine(native).run(acts)
      assert.deepEqual(await new Machine(ours).run(acts), expected)
    })
    await fc.assert(property, { numRuns: programs })
  },
)
