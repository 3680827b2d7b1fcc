/**
 * Where nobody knows who acquires: the tests that run, with the number of the latest note when each began. What is noted
 * later was acquired since, and where several run it may be any one's: it is looked at when the last of them is over.
 */
import type { Note } from '../core/watching/notes.ts'
import { latestNote, serialOf } from './noted.ts'

export interface Named {
  readonly name: string
  readonly fullName?: string
}

const running = new Map<Named, number>()
/** Those of which some ran at the same time, since there was a moment without any. */
let together: Named[] = []
let togetherSince = 0

export function began(test: Named): void {
  const mark = latestNote()
  running.set(test, mark)
  const strangers = strangersOf(test)
  if (strangers.length === 0) return
  if (together.length === 0) togetherSince = Math.min(mark, ...strangers.map(markOf))
  together = [...new Set([...together, ...strangers, test])]
}

/**
 * What was acquired since, as `look` finds it.
 * @returns nothing while others run, or began meanwhile: it may be theirs, and is looked at when they are over
 */
export async function leftBy<T>(
  test: Named,
  look: (isAskedFor: (note: Note) => boolean) => Promise<T[]>,
): Promise<{ left: T[]; suspects: readonly Named[] }> {
  const mark = together.includes(test) ? togetherSince : markOf(test)
  const isAlone = (): boolean => strangersOf(test).length === 0
  const left = isAlone() ? await look((note) => serialOf(note) > mark) : []
  running.delete(test)
  if (!isAlone()) return { left: [], suspects: [] }
  const suspects = together.length === 0 ? [test] : together
  together = []
  return { left, suspects }
}

export function by(tests: readonly Named[]): string {
  const names = tests.map((test) => `"${nameOf(test)}"`).join(', ')
  if (tests.length === 1) return `by ${names}`
  return `by one of the tests that ran at the same time, ${names}`
}

function markOf(test: Named): number {
  return running.get(test) ?? latestNote()
}

/** The ones that run beside it: not those that it is a part of. */
function strangersOf(test: Named): Named[] {
  const name = nameOf(test)
  return [...running.keys()].filter(
    (other) => other !== test && !name.startsWith(`${nameOf(other)} > `),
  )
}

function nameOf({ name, fullName }: Named): string {
  return fullName ?? name
}
