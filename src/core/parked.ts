/**
 * A scope whose body has settled while streams that it gave out are still read: it stays open for them, and closes when
 * the last one is over. How each of them ended counts.
 */
import type { Completion } from './completion.ts'
import { conclude } from './drain.ts'
import { awaitsCaller } from './life.ts'
import type { ScopeNode } from './scope.ts'
import { upToRoot } from './tree.ts'
import { whenEnded } from './unwinding.ts'

/** What the end of a stream means for how a scope ends that is parked for it. */
export type Settle = (completion: Completion, scope: ScopeNode) => Completion

/** A scope that was open for streams alone, the last of which is over. */
interface Left {
  readonly scope: ScopeNode
  /** Never rejects: what fails is told before. */
  readonly closed: Promise<void>
}

/**
 * A stream of `scope` is over: what it alone kept open closes, the inner ones first.
 * @returns how to wait for that; what waits for the caller is not waited for
 */
export function letClose(scope: ScopeNode, settle: Settle): (closing: boolean) => Promise<void> {
  const left: Left[] = []
  for (const at of upToRoot(scope)) {
    const { extended } = at
    extended.streams -= 1
    if (!extended.parked) continue
    // Otherwise somebody else closed it.
    const open = at.state === 'open'
    if (open) at.completion = settle(at.completion, at)
    if (extended.streams > 0) continue
    left.push({ scope: at, closed: open ? leave(at) : whenEnded(at) })
  }
  return async (closing) => {
    const others = left.filter((at) => !awaitsCaller(at.scope, closing))
    await Promise.all(others.map(({ closed }) => closed))
  }
}

/** A stream of `scope` begins. */
export function keepOpen(scope: ScopeNode): void {
  for (const at of upToRoot(scope)) at.extended.streams += 1
}

/** The scopes that are open for streams of `scope` alone. */
export function parkedFor(scope: ScopeNode): ScopeNode[] {
  return upToRoot(scope).filter(({ extras }) => extras?.parked)
}

/** What fails then is that of what is around it, where that is open for streams alone, too. */
async function leave(scope: ScopeNode): Promise<void> {
  const { extended, parent } = scope
  const heir = parent?.extras?.parked === true ? parent : undefined
  extended.parked = false
  extended.heir = heir
  try {
    await conclude(scope)
  } catch (error) {
    if (heir === undefined) scope.report(error, undefined, true)
  }
}
