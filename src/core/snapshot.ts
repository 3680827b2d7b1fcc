/**
 * A picture of a scope: what it holds, since when, and what is open below it.
 */
import { activityOf } from './activity.ts'
import { childrenOf, type Family } from './children.ts'
import { elapsed, roughNow } from './deadline.ts'
import type { Finalizer } from './finalizers.ts'
import type { Holdings } from './holdings.ts'
import { Instance } from './instance.ts'
import { noteOf } from './notes.ts'
import { heldBy } from './telling.ts'
import type { ResourceSnapshot, Scope, ScopeSnapshot } from './types.ts'
import type { Unwinding } from './unwinding.ts'

interface Pictured extends Scope, Family<Pictured> {
  readonly unwinding: Unwinding
  readonly holdings: Holdings | undefined
  readonly tasks: { readonly size: number } | undefined
  readonly aborted: boolean
  readonly openedAt: number
}

export function snapshotOf(scope: Pictured): ScopeSnapshot {
  const now = roughNow()
  const arriving = [...(scope.holdings?.onTheirWay() ?? [])].map((instance) =>
    picture(instance, 'acquiring', instance.since, now),
  )
  const held = scope.unwinding
    .entries()
    .map(({ finalizer, releasing }) =>
      picture(finalizer.traits, releasing ? 'releasing' : 'open', finalizer.since, now, finalizer),
    )
  return {
    id: scope.id,
    name: scope.name,
    kind: scope.kind,
    state: scope.state,
    ageMs: elapsed(scope.openedAt, now),
    aborted: scope.aborted,
    tasks: scope.tasks?.size ?? 0,
    resources: [...arriving, ...held],
    children: childrenOf(scope).map(snapshotOf),
  }
}

function picture(
  traits: Finalizer['traits'],
  state: ResourceSnapshot['state'],
  since: number,
  now: number,
  finalizer?: Finalizer,
): ResourceSnapshot {
  const heldMs = elapsed(since, now)
  const held = finalizer === undefined ? traits : heldBy(finalizer)
  const site = held && noteOf(held)?.site
  const activity = activityOf(finalizer?.value, now)
  const more = { ...(site !== undefined && { stack: site }), ...(activity && { activity }) }
  if (traits instanceof Instance) {
    const { name, lifetime } = traits.definition
    return { name, lifetime, state, heldMs, ...more }
  }
  return { name: finalizer?.name ?? 'value', lifetime: 'value', state, heldMs, ...more }
}
