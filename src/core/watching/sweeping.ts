/**
 * The one timer that looks for what is held for too long. It runs only while there is something to look at, and keeps no
 * process alive.
 */
// Not the global one: under that of a test, nobody would look again once the test has put the platform's back.
import { clearTimeout, setTimeout } from 'node:timers'
import { outermostFrame } from '../context.ts'
import { roughNow } from '../deadline.ts'

/** Looks, and says whether there is anything to look at later. */
type Sweep = (now: number) => boolean

const sweeps = new Set<Sweep>()
let timer: NodeJS.Timeout | undefined
/** Milliseconds; `undefined`: nobody looks. */
let pause: number | undefined

/** @param threshold milliseconds after which something is held for too long, if anybody wants to know */
export function sweepFor(threshold: number | undefined): void {
  pause = threshold === undefined ? undefined : Math.min(5_000, Math.max(10, threshold / 4))
  clearTimeout(timer)
  timer = undefined
  if (sweeps.size > 0) arm()
}

/** Call `sweep` several times in each threshold, until it says that nothing is left. */
export function sweepWith(sweep: Sweep): void {
  sweeps.add(sweep)
  if (timer === undefined) arm()
}

/** In the context of nobody: each timer would hand that of a request on to the next one. */
function arm(): void {
  if (pause === undefined) return
  timer = outermostFrame.runInAsyncScope(setTimeout, undefined, sweepAll, pause).unref()
}

function sweepAll(): void {
  timer = undefined
  const now = roughNow()
  for (const sweep of [...sweeps]) if (!sweep(now)) sweeps.delete(sweep)
  if (sweeps.size > 0) arm()
}
