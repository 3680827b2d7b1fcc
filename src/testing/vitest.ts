/**
 * The same for Vitest, by `setupFiles: ['unwind/testing']`. Its hooks belong to the file that is being collected, so they
 * are registered while the setup file is loaded.
 */
import { detectLeaks } from '../core/watching/detection.ts'
import { began, by, leftBy, type Named } from './side-by-side.ts'
import { giveBack, leakError, settledLeftovers } from './verdict.ts'

interface Context {
  readonly task: { readonly name: string; readonly result?: { readonly state?: string } }
  onTestFinished(check: () => Promise<void>): void
}

/** The part of the framework that is used: described here, because it is not there when this is compiled into a program. */
interface Vitest {
  beforeEach(hook: (context: Context) => void): void
}

export async function watchVitest(): Promise<void> {
  // Not a literal, or its types would become ours.
  const name: string = 'vitest'
  try {
    const vitest = (await import(name)) as Vitest
    vitest.beforeEach(watch)
  } catch (error) {
    if ('__vitest_worker__' in globalThis) throw error
    // A program that a test has started: it has the environment of Vitest, and no tests.
    return
  }
  detectLeaks({ level: 'full' })
}

function watch(context: Context): void {
  const test = { name: context.task.name }
  began(test)
  // Registered first, and called last: behind all hooks, and behind what the test registers.
  context.onTestFinished(() => judge(context, test))
}

async function judge({ task }: Context, test: Named): Promise<void> {
  const { left, suspects } = await leftBy(test, settledLeftovers)
  if (left.length === 0) return
  const error = leakError(left, by(suspects))
  await giveBack(left)
  if (task.result?.state !== 'fail') throw error
}
