/**
 * How closely acquisitions are watched: the level, and who asked for it. What the hot paths look at is a field or two of
 * one object; everything else happens when something is found.
 */
import { callable, checkOptions, expected, milliseconds, oneOf } from '../options.ts'
import type { LeakLevel, LeakReport } from '../reports.ts'
import { sweepFor } from './sweeping.ts'

/** How closely acquisitions are watched, and who is told of leaks. */
export interface LeakOptions {
  /** How closely: `off`, `simple`, `sampled` or `full`. There is no default. */
  level: LeakLevel
  /** Milliseconds after which something held is suspected. Default 30_000. */
  threshold?: number
  /** Called for every leak, the ones of a site that was warned of already included. */
  onLeak?(leak: LeakReport): void
}

const levels: readonly LeakLevel[] = ['off', 'simple', 'sampled', 'full']
const rules = { level: oneOf(...levels), threshold: milliseconds, onLeak: callable }

const inForce = new Set<LeakOptions>([{ level: levelOfEnvironment() }])

class Detection {
  level: LeakLevel = 'simple'
  /** Something is recorded of each acquisition, or of some: see notes.ts. */
  watching = false
  /** How many things are held whose release somebody waits to hear of. */
  followed = 0
  /** Names of resources whose next acquisitions record where they are. */
  escalated = 0
  /** Told of each acquisition that is recorded. */
  onNote: ((note: object) => void) | undefined = undefined

  /** What is acquired and released is counted. */
  get counting(): boolean {
    return this.level !== 'off'
  }

  get threshold(): number {
    return latest().threshold ?? 30_000
  }

  update(): void {
    const { level } = latest()
    this.level = level
    this.watching = level === 'full' || level === 'sampled' || (this.counting && this.escalated > 0)
    sweepFor(this.counting ? this.threshold : undefined)
  }

  /** Whoever asked for detection, and may want to be told. */
  listeners(): LeakOptions[] {
    return [...inForce]
  }
}

export const detection: Detection = new Detection()
detection.update()

function latest(): LeakOptions {
  // The first one is the environment's, and stays.
  return [...inForce].at(-1) as LeakOptions
}

/**
 * Choose how closely acquisitions are watched, until the returned value is disposed. Without it, the environment variable
 * `UNWIND_LEAKS` says the level, and without that it is `simple`. A leak is reported as a process warning with the code
 * `UNWIND_LEAK`, once for each place, on the channel `unwind:resource:leaked`, and to `onLeak`. Nothing is ever taken away.
 *
 * @example
 * ```ts
 * app.use(detectLeaks({ level: 'full', threshold: 5_000, onLeak: (leak) => console.error(leak) }))
 * ```
 * @throws {TypeError} for unknown or wrong options
 */
export function detectLeaks(options: LeakOptions): Disposable {
  checkOptions('detectLeaks()', options, rules)
  if (options?.level === undefined) {
    throw expected('option `level` of detectLeaks()', rules.level.expected, options)
  }
  const mine = { ...options }
  inForce.add(mine)
  detection.update()
  return {
    [Symbol.dispose]() {
      inForce.delete(mine)
      detection.update()
    },
  }
}

function levelOfEnvironment(): LeakLevel {
  const given = process.env.UNWIND_LEAKS
  const level = levels.find((known) => known === given)
  if (level !== undefined || given === undefined || given === '') return level ?? 'simple'
  process.emitWarning(
    `The environment variable UNWIND_LEAKS is "${given}", which is no level of leak detection, and "simple" is used. Known: ${levels.join(', ')}.`,
    { type: 'UnwindWarning', code: 'UNWIND_LEAKS_LEVEL' },
  )
  return 'simple'
}
