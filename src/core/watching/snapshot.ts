/**
 * A picture of a scope: what it holds, since when, and what is open below it.
 */
import { inspect } from 'node:util'
import { activityOf } from './activity.ts'
import { elapsed, exactNow } from '../deadline.ts'
import { entriesOf, type Finalizer } from '../finalizers.ts'
import { title } from '../misuse.ts'
import { noteOf } from './notes.ts'
import type { ScopeNode } from '../scope.ts'
import { childrenOf, downFrom } from '../tree.ts'
import type { ResourceSnapshot, Scope, ScopeSnapshot } from '../types.ts'

export function snapshotOf(scope: ScopeNode): ScopeSnapshot {
  const now = exactNow()
  const seen = new Map<ScopeNode | undefined, Shallow>()
  for (const at of downFrom(scope, childrenOf)) {
    const snapshot = shallow(at, now)
    // Parents come first; that of the scope itself is in no picture.
    seen.get(at.parent)?.children.push(snapshot)
    seen.set(at, snapshot)
  }
  // The first one.
  return seen.get(scope) as Shallow
}

/** Without those below it, until they are added. */
interface Shallow extends ScopeSnapshot {
  readonly children: ScopeSnapshot[]
}

function shallow(scope: ScopeNode, now: number): Shallow {
  const arriving = (scope.holdings?.onTheirWay() ?? []).map((instance) =>
    picture(instance, instance, 'acquiring', now),
  )
  const held = entriesOf(scope).map(({ finalizer, releasing }) =>
    picture(finalizer, finalizer.source, releasing ? 'releasing' : 'open', now),
  )
  // What is there and owes no release.
  const unowed = (scope.holdings === undefined ? [] : childrenOf(scope.holdings))
    .filter(({ acquisition }) => acquisition?.owes === false)
    .map((instance) => picture(instance, instance, 'open', now))
  return {
    id: scope.id,
    name: scope.name,
    kind: scope.kind,
    state: scope.state,
    ageMs: elapsed(scope.openedAt, now),
    aborted: scope.aborted,
    tasks: scope.extras?.tasks?.size ?? 0,
    resources: [...arriving, ...held, ...unowed],
    children: [],
  }
}

/** @param held where its value is, once it has one */
function picture(
  held: Pick<Finalizer, 'name' | 'since' | 'value'>,
  source: Finalizer['source'],
  state: ResourceSnapshot['state'],
  now: number,
): ResourceSnapshot {
  const { name, since, value } = held
  const site = noteOf(source ?? held)?.site
  const activity = activityOf(value, now)
  return {
    name,
    lifetime: source?.definition.lifetime ?? 'value',
    state,
    heldMs: elapsed(since, now),
    ...(site !== undefined && { stack: site }),
    ...(activity && { activity }),
  }
}

/**
 * In the console a scope is one line, and in JSON its snapshot. Done here, because declarations cannot carry a computed
 * name of Node's, and users have `inspect()`.
 */
export function showAsText(scopes: Scope): void {
  Object.defineProperties(scopes, {
    [inspect.custom]: {
      value(this: Scope): string {
        return `Scope { ${title(this)}, ${this.state} }`
      },
    },
    toJSON: {
      value(this: Scope): ScopeSnapshot {
        return this.inspect()
      },
    },
  })
}
