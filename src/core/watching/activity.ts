/**
 * What something held is doing: `running`, `idle in transaction`. Classes of handles that can tell say how, once; whatever
 * else is held is not touched.
 */
import { attempt } from '../errors/attempt.ts'
import type { Activity } from '../reports.ts'

/** On the clock of `roughNow`. */
export interface Doing extends Pick<Activity, 'state'> {
  readonly since: number
}

const tellers = new Map<unknown, (handle: never) => Doing | undefined>()

export function tellsActivity<T extends object>(
  handles: { readonly prototype: T },
  doing: (handle: T) => Doing | undefined,
): void {
  tellers.set(handles.prototype, doing)
}

export function activityOf(value: unknown, now: number): Activity | undefined {
  // Some refuse to be looked at.
  const doing = tellers.get(attempt((): unknown => Object.getPrototypeOf(value)))
  // It is an instance of the class that the teller was registered for.
  const found = doing?.(value as never)
  return found && { state: found.state, sinceMs: Math.max(0, now - found.since) }
}
