/**
 * The picture of an app that the page shows: the tree of scopes as rows, everything held as rows, both oldest first and
 * with an end, whatever the program does.
 */
import { performance } from 'node:perf_hooks'
import type { App, ResourceSnapshot, ScopeSnapshot } from '../core/types.ts'
import { cleanName, cleanSite } from './clean.ts'
import type { Bar, HeldRow, Picture, ScopeRow } from './page/picture.ts'

/** Rows of a table: more cannot be read, and would cost more than they tell. */
export const mostRows = 500
/** Bars of one scope. */
const mostBars = 6

/** A scope in the tree, and how many are around it. */
interface Placed {
  readonly scope: ScopeSnapshot
  readonly depth: number
}

interface Taken {
  readonly key: string
  readonly scope: ScopeSnapshot
  readonly resource: ResourceSnapshot
}

export function pictureOf(app: App): Picture {
  const placed = placedIn(app.inspect())
  const taken = placed.flatMap(({ scope }) => takenBy(scope))
  const stateCount = (state: ResourceSnapshot['state']): number =>
    taken.filter(({ resource }) => resource.state === state).length
  return {
    at: Date.now(),
    app: cleanName(app.name),
    pid: process.pid,
    node: process.version,
    upMs: Math.round(performance.now()),
    level: 'simple',
    counts: {
      scopes: placed.length,
      acquiring: stateCount('acquiring'),
      open: stateCount('open'),
      releasing: stateCount('releasing'),
      leaks: 0,
    },
    scopes: oldest(placed, ({ scope }) => scope.ageMs).map(scopeRow),
    held: oldest(taken, ({ resource }) => resource.heldMs)
      .map(heldRow)
      .toSorted((a, b) => b.heldMs - a.heldMs),
    pools: [],
    holdTimes: [],
    closed: [],
    leaks: [],
  }
}

/** Parents before their children, older siblings before younger ones. */
function placedIn(scope: ScopeSnapshot, depth = 0): Placed[] {
  const children = scope.children.toReversed()
  return [{ scope, depth }, ...children.flatMap((child) => placedIn(child, depth + 1))]
}

/** In the order of acquisition, which makes a key that stays: what is older is released later. */
function takenBy(scope: ScopeSnapshot): Taken[] {
  return scope.resources.toReversed().map((resource, i) => {
    const arriving = resource.state === 'acquiring' ? 'a' : ''
    return { key: `${scope.id}-${arriving}${i}`, scope, resource }
  })
}

/** The oldest rows, in the order in which they stood. A parent is never younger than its children, and stands before them. */
function oldest<T>(rows: readonly T[], age: (row: T) => number): T[] {
  if (rows.length <= mostRows) return [...rows]
  const chosen = new Set(rows.toSorted((a, b) => age(b) - age(a)).slice(0, mostRows))
  return rows.filter((row) => chosen.has(row))
}

function scopeRow({ scope, depth }: Placed): ScopeRow {
  const { id, name, kind, state, ageMs, aborted, tasks, resources } = scope
  const bars = takenBy(scope).slice(0, mostBars).map(bar)
  return {
    id,
    name: cleanName(name),
    kind,
    state,
    ageMs: Math.round(ageMs),
    aborted,
    tasks,
    depth,
    holds: resources.length,
    bars,
  }
}

function bar({ key, resource: { name, state, heldMs } }: Taken): Bar {
  return { key, name: cleanName(name), state, heldMs: Math.round(heldMs) }
}

function heldRow({ key, scope, resource }: Taken): HeldRow {
  const { name, lifetime, state, heldMs, stack } = resource
  return {
    key,
    resource: cleanName(name),
    lifetime,
    scope: cleanName(scope.name),
    ofApp: scope.kind === 'app',
    state,
    heldMs: Math.round(heldMs),
    ...(stack !== undefined && { site: cleanSite(stack) }),
  }
}
