/**
 * A scope whose body has settled while streams that it gave out are still read: it stays open for them, and closes when
 * the last one is over, as that one ended.
 */
import { cancel, type Abortable } from './abort.ts'
import type { Completion } from './completion.ts'

interface Parkable extends Abortable {
  readonly parent: Parkable | undefined
  readonly deadline: number | undefined
  /** The body has settled, and the scope is open for its streams alone. */
  parked: boolean
  /** How many streams are bound here or below. */
  streams: number
  conclude(): Promise<void>
  report(error: unknown, resource: string | undefined, late: boolean): void
}

/** A stream of `scope` is over. Resolves when whatever it kept open has closed; never rejects. */
export async function unbind(
  scope: Parkable,
  settle: (completion: Completion) => Completion,
): Promise<void> {
  for (const at of upToRoot(scope)) {
    at.streams -= 1
    // oxlint-disable-next-line no-await-in-loop -- the inner ones close first
    if (at.parked && at.streams === 0) await leave(at, settle)
  }
}

/** A stream of `scope` begins. */
export function bind(scope: Parkable): void {
  for (const at of upToRoot(scope)) at.streams += 1
}

/** A scope and those around it. */
function upToRoot(scope: Parkable): Parkable[] {
  const scopes: Parkable[] = []
  for (let at: Parkable | undefined = scope; at !== undefined; at = at.parent) scopes.push(at)
  return scopes
}

async function leave(
  scope: Parkable,
  settle: (completion: Completion) => Completion,
): Promise<void> {
  scope.parked = false
  const completion = settle(scope.unwinding.completion)
  scope.unwinding.completion = completion
  if (completion.status === 'failure') cancel(scope, completion.error)
  if (completion.status === 'aborted') cancel(scope, completion.reason)
  try {
    await scope.conclude()
  } catch (error) {
    scope.report(error, undefined, true)
  }
}
