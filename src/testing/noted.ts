/**
 * Whose what is noted is: in which order it was acquired, and by which test. Known of what was acquired since this was
 * loaded; what is older is nobody's.
 */
import { detection } from '../core/watching/detection.ts'
import { currentTest } from './current-test.ts'

interface Acquirer {
  /** Later ones have higher numbers. */
  readonly serial: number
  readonly test: WeakRef<object> | undefined
}

let noted = 0
const acquirers = new WeakMap<object, Acquirer>()

detection.onNote = (note) => {
  const test = currentTest()
  acquirers.set(note, { serial: ++noted, test: test && new WeakRef(test) })
}

/** The number of the latest note. */
export function latestNote(): number {
  return noted
}

export function serialOf(note: object): number {
  return acquirers.get(note)?.serial ?? 0
}

/** The test in which it was acquired. */
export function testOf(note: object): object | undefined {
  return acquirers.get(note)?.test?.deref()
}
