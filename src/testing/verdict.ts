/**
 * Whether something is left. What is only on its way out gets a moment: pauses that add up to 31 milliseconds. What is left
 * after that is told, with where it was acquired.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { copies } from '../core/context.ts'
import { named, UnwindError } from '../core/errors/errors.ts'
import type { Note } from '../core/watching/notes.ts'
import { leftovers, tell, type Leftover } from './leftovers.ts'

/** Milliseconds. */
const pauses = [0, 1, 2, 4, 8, 16]
/** Milliseconds for giving back what was left, so that the next test starts clean. */
const patience = 1_000
/** Of many, the first ones say enough. */
const shown = 10

let told = false

/** A check that finds nothing because it cannot see it is worse than none. */
function tellOfCopies(): void {
  if (told || copies.length === 1) return
  told = true
  process.emitWarning(
    `${copies.length} copies of unwind are loaded, and a leak check sees only what its own one holds. Install one (npm ls unwind), and bundle none. They are: ${copies.join(', ')}`,
    { type: 'UnwindWarning', code: 'UNWIND_COPIES' },
  )
}

/** What is left of what `isAskedFor` chooses, once everything had its moment. */
export async function settledLeftovers(isAskedFor: (note: Note) => boolean): Promise<Leftover[]> {
  tellOfCopies()
  let left = leftovers(isAskedFor)
  for (const ms of pauses) {
    if (left.length === 0) return left
    await pause(ms)
    left = leftovers(isAskedFor)
  }
  return left
}

/** @param whom who left it, in words: `by "a test"` */
export function leakError(left: readonly Leftover[], whom: string): LeakError {
  tell(left)
  const things = left.length === 1 ? '1 thing was' : `${left.length} things were`
  const lines = left
    .slice(0, shown)
    .map(({ what, note }) => `  ${what}, acquired\n${indented(note)}`)
  const more = left.length > shown ? [`  and ${left.length - shown} more`] : []
  const advice = 'Release it before the end, or say why it may stay: allowLeak(what, reason).'
  return new LeakError([`${things} left held ${whom}:`, ...lines, ...more, advice].join('\n'))
}

/** `ERR_LEAKED`. Its stack is the message alone: it is made by whoever looks, and the sites are in the message. */
class LeakError extends UnwindError {
  override readonly code = 'ERR_LEAKED'

  constructor(message: string) {
    super(message)
    this.stack = `${this.name}: ${message}`
  }
}

named({ LeakError })

/** The next test starts clean. What fails on the way is of no interest any more: the test has failed. */
export async function giveBack(left: readonly Leftover[]): Promise<void> {
  const releases = left.map(async (leftover) => {
    await leftover.release()
  })
  const timeout = new AbortController()
  const { signal } = timeout
  // Not `within`: its timer is the global one, which the test may have left replaced.
  const late = pause(patience, undefined, { signal }).catch(() => {})
  await Promise.race([Promise.allSettled(releases), late])
  timeout.abort()
}

function indented({ site }: Note): string {
  return site.replaceAll(/^/gm, '    ')
}
