/**
 * A scope whose body has settled while streams that it gave out are still read: it stays open for them, and closes when
 * the last one is over. How each of them ended counts.
 */
import { cancel } from './abort.ts'
import type { Completion } from './completion.ts'
import { conclude } from './life.ts'
import type { ScopeNode } from './scope.ts'

/** A stream of `scope` is over. Resolves when whatever it kept open has closed; never rejects. */
export async function unbind(
  scope: ScopeNode,
  settle: (completion: Completion) => Completion,
): Promise<void> {
  for (const at of upToRoot(scope)) {
    const { extended } = at
    extended.streams -= 1
    if (!extended.parked) continue
    at.completion = settle(at.completion)
    // oxlint-disable-next-line no-await-in-loop -- the inner ones close first
    if (extended.streams === 0) await leave(at)
  }
}

/** A stream of `scope` begins. */
export function bind(scope: ScopeNode): void {
  for (const at of upToRoot(scope)) at.extended.streams += 1
}

/** A scope and those around it. */
function upToRoot(scope: ScopeNode): ScopeNode[] {
  const scopes: ScopeNode[] = []
  for (let at: ScopeNode | undefined = scope; at !== undefined; at = at.parent) scopes.push(at)
  return scopes
}

async function leave(scope: ScopeNode): Promise<void> {
  const { completion } = scope
  scope.extended.parked = false
  if (completion.status === 'failure') cancel(scope, completion.error)
  if (completion.status === 'aborted') cancel(scope, completion.reason)
  try {
    await conclude(scope)
  } catch (error) {
    scope.report(error, undefined, true)
  }
}
