/**
 * What something held is doing: `running`, `idle in transaction`. Handles that know it say so under one symbol.
 */
import { isObject } from './dispose.ts'
import type { Activity } from './reports.ts'

/** On the clock of `roughNow`. */
export interface Doing extends Pick<Activity, 'state'> {
  readonly since: number
}

/** The method of a handle that tells. */
export const doing: unique symbol = Symbol('unwind.doing')

interface Teller {
  [doing]?: () => Doing
}

export function activityOf(value: unknown, now: number): Activity | undefined {
  if (!isObject(value)) return undefined
  // It may be anything, and what is not there is not called.
  const found = (value as Teller)[doing]?.()
  return found && { state: found.state, sinceMs: Math.max(0, now - found.since) }
}
