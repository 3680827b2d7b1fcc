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
  const before = pause
  pause = threshold === undefined ? undefined : Math.min(5_000, Math.max(10, threshold / 4))
  // Asked again and again while things leak: the time that has passed counts.
  if (pause !== before) arm()
}

/** Call `sweep` several times in each threshold, until it says that nothing is left. */
export function sweepWith(sweep: Sweep): void {
  sweeps.add(sweep)
  if (timer === undefined) arm()
}

/** In the context of nobody: each timer would hand that of a request on to the next one. */
function arm(): void {
  // Whoever is told of a leak may have asked for another one.
  clearTimeout(timer)
  const idle = pause === undefined || sweeps.size === 0
  timer = idle
    ? undefined
    : outermostFrame.runInAsyncScope(setTimeout, undefined, sweepAll, pause).unref()
}

function sweepAll(): void {
  const now = roughNow()
  for (const sweep of [...sweeps]) if (!sweep(now)) sweeps.delete(sweep)
  arm()
}
