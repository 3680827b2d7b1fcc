/**
 * What is open and held, as rows: the tree of scopes laid flat, and below it everything that they hold and that somebody
 * owns without one. Oldest first, and of too many the oldest.
 */
import { activityOf } from '../core/watching/activity.ts'
import { elapsed, exactNow } from '../core/deadline.ts'
import type { Ticket } from '../core/watching/held.ts'
import { downFrom } from '../core/tree.ts'
import type { Activity, ResourceSnapshot, ScopeSnapshot } from '../core/types.ts'
import { cleanName, cleanSite } from './clean.ts'
import type { Bar, HeldRow, HeldState, ScopeRow } from './page/picture.ts'

/** Bars of one scope. */
const mostBars = 4

/** A scope in the tree. */
interface Placed {
  readonly scope: ScopeSnapshot
  /** How many are around it. */
  readonly depth: number
  /** Milliseconds; for ordering: never more than what was opened before it, although the clock may be rough. */
  readonly age: number
}

/** @param most rows; all are counted */
export function scopesIn(
  root: ScopeSnapshot,
  most: number,
): { all: readonly Placed[]; rows: ScopeRow[] } {
  const all = [...downFrom<Placed>({ scope: root, depth: 0, age: root.ageMs }, placedBelow)]
  return { all, rows: oldest(all, ({ age }) => age, most).map(scopeRow) }
}

/** @param most rows; all are counted */
export function heldIn(
  placed: readonly Placed[],
  owned: readonly Ticket[],
  most: number,
): { rows: HeldRow[] } & Record<HeldState, number> {
  const inScopes = placed.flatMap(({ scope }) => heldBy(scope))
  const count = (state: HeldState): number =>
    inScopes.filter(({ resource }) => resource.state === state).length
  const chosen = oldest(inScopes, ({ resource }) => resource.heldMs, most).map(heldRow)
  const now = exactNow()
  const alone = owned.slice(0, most).map((ticket, i) => ownedRow(ticket, i, now))
  return {
    rows: [...chosen, ...alone].toSorted((a, b) => b.heldMs - a.heldMs).slice(0, most),
    acquiring: count('acquiring'),
    open: count('open') + owned.length,
    releasing: count('releasing'),
  }
}

/** Older siblings before younger ones, which come first in a snapshot. */
function placedBelow({ scope, depth, age }: Placed): Placed[] {
  let limit = age
  return scope.children.toReversed().map((child) => {
    limit = Math.min(limit, child.ageMs)
    return { scope: child, depth: depth + 1, age: limit }
  })
}

interface HeldInScope {
  readonly key: string
  readonly scope: ScopeSnapshot
  readonly resource: ResourceSnapshot
}

/** In the order of acquisition, which makes a key that stays: what is older is released later. */
function heldBy(scope: ScopeSnapshot): HeldInScope[] {
  return scope.resources.toReversed().map((resource, i) => {
    const arriving = resource.state === 'acquiring' ? 'a' : ''
    return { key: `${scope.id}-${arriving}${i}`, scope, resource }
  })
}

/** The oldest rows, in the order in which they stood. */
function oldest<T>(rows: readonly T[], age: (row: T) => number, most: number): T[] {
  if (rows.length <= most) return [...rows]
  const chosen = new Set(rows.toSorted((a, b) => age(b) - age(a)).slice(0, most))
  return rows.filter((row) => chosen.has(row))
}

function scopeRow({ scope, depth }: Placed): ScopeRow {
  const { id, name, kind, state, ageMs, aborted, tasks, resources } = scope
  return {
    id,
    name: cleanName(name),
    kind,
    state,
    ageMs: rounded(ageMs),
    aborted,
    tasks,
    depth,
    holds: resources.length,
    bars: heldBy(scope).slice(0, mostBars).map(bar),
  }
}

function bar({ key, resource: { name, state, heldMs } }: HeldInScope): Bar {
  return { key, name: cleanName(name), state, heldMs: rounded(heldMs) }
}

function heldRow({ key, scope, resource }: HeldInScope): HeldRow {
  const { name, lifetime, state, heldMs, stack, activity } = resource
  return {
    key,
    resource: cleanName(name),
    lifetime,
    scope: cleanName(scope.name),
    ofApp: scope.kind === 'app',
    state,
    heldMs: rounded(heldMs),
    suspected: false,
    ...whereAndWhat(stack, activity),
  }
}

function ownedRow(ticket: Ticket, i: number, now: number): HeldRow {
  const { resource, scope, since, note, handle, suspected } = ticket
  return {
    key: `owned-${i}`,
    resource: cleanName(resource),
    lifetime: 'owned',
    scope: scope === undefined ? '' : cleanName(scope.name),
    ofApp: false,
    state: 'open',
    heldMs: rounded(elapsed(since, now)),
    suspected,
    ...whereAndWhat(note?.site, activityOf(handle, now)),
  }
}

function whereAndWhat(
  site: string | undefined,
  activity: Activity | undefined,
): Pick<HeldRow, 'site' | 'doing' | 'idleMs'> {
  return {
    ...(site !== undefined && { site: cleanSite(site) }),
    ...(activity && { doing: activity.state, idleMs: rounded(activity.sinceMs) }),
  }
}

/** Thousandths of a millisecond are no difference to see, and many bytes. */
export function rounded(ms: number): number {
  return ms < 10 ? Math.round(ms * 1_000) / 1_000 : Math.round(ms)
}
