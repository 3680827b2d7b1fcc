/**
 * The one timer that looks for what is held for too long. It runs only while there is something to look at, and keeps no
 * process alive.
 */
import { roughNow } from './deadline.ts'
import { detection } from './detection.ts'

/** Looks, and says whether there is anything to look at later. */
type Sweep = (now: number) => boolean

const sweeps = new Set<Sweep>()
let timer: NodeJS.Timeout | undefined

detection.onChange = rearm

/** Call `sweep` several times in each threshold, until it says that nothing is left. */
export function sweepWith(sweep: Sweep): void {
  sweeps.add(sweep)
  if (timer === undefined) arm()
}

function arm(): void {
  if (detection.level === 'off') return
  const pause = Math.min(5_000, Math.max(10, detection.threshold / 4))
  timer = setTimeout(sweepAll, pause).unref()
}

function rearm(): void {
  clearTimeout(timer)
  timer = undefined
  if (sweeps.size > 0) arm()
}

function sweepAll(): void {
  timer = undefined
  const now = roughNow()
  for (const sweep of [...sweeps]) if (!sweep(now)) sweeps.delete(sweep)
  if (sweeps.size > 0) arm()
}
