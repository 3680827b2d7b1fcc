/**
 * What is remembered of an acquisition that is watched: where it was, and whether it becomes garbage before its release.
 * Kept beside what it is about, so that whatever is not watched carries nothing.
 */
import { roughNow } from '../deadline.ts'
import { detection } from './detection.ts'
import { identityOf } from './events.ts'
import { reportLeak, type Acquired } from './leaks.ts'
import type { Named } from '../misuse.ts'
import { siteHere } from './sites.ts'
import { usageOf } from './usage.ts'

/** With the level `sampled`, one acquisition in this many is watched. */
const sample = 128

/** It must not lead to what it is about: the registry keeps it for as long as that lives. */
export interface Note extends Acquired {
  /** Where it was acquired. */
  readonly site: string
  /** It is garbage, and never was released. */
  lost: boolean
}

const notes = new WeakMap<object, Note>()
const garbage = new FinalizationRegistry(collected)

/**
 * Only to be called while `detection.watching`, at the entry of whatever acquires: after a wait the stack is another.
 * @param held whose note it becomes, until `forgetNote`
 */
export function note(held: object, resource: string, scope: Named | undefined): Note | undefined {
  if (!isWanted(resource)) return undefined
  const site = siteHere(note)
  const made = { resource, scope: scope && identityOf(scope), since: roughNow(), site, lost: false }
  notes.set(held, made)
  detection.onNote?.(made)
  detection.followed += 1
  return made
}

/** Report it as a leak if `handle` becomes garbage. */
export function watchGarbage(handle: object, watched: Note): void {
  if (detection.level === 'full' || detection.level === 'sampled') {
    garbage.register(handle, watched, watched)
  }
}

export function noteOf(held: object): Note | undefined {
  return notes.get(held)
}

/** It is released, or was never acquired. */
export function forgetNote(held: object): void {
  const known = notes.get(held)
  if (known === undefined) return
  notes.delete(held)
  if (!known.lost) detection.followed -= 1
  garbage.unregister(known)
}

function collected(lost: Note): void {
  lost.lost = true
  detection.followed -= 1
  // It may have been asked for by somebody who is gone.
  if (detection.counting) reportLeak('collected', lost, lost)
}

function isWanted(resource: string): boolean {
  const { level, escalated } = detection
  if (level === 'full' || (escalated > 0 && isEscalated(resource))) return true
  return level === 'sampled' && Math.random() < 1 / sample
}

/** One of the next acquisitions of something that leaked from nobody knows where. */
function isEscalated(resource: string): boolean {
  const usage = usageOf(resource)
  if (usage.stacks === 0) return false
  usage.stacks -= 1
  if (usage.stacks === 0) {
    detection.escalated -= 1
    detection.update()
  }
  return true
}
