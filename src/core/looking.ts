/**
 * Everything that can be seen of an app, in one picture: for the inspector and for metrics. Nothing here costs anything
 * until it is asked for; what has closed is known only from `keepHistory` on.
 */
import { activityOf } from './activity.ts'
import { elapsed, exactNow } from './deadline.ts'
import { detection } from './detection.ts'
import { identityOf, type ScopeIdentity } from './events.ts'
import { allHeld, type Ticket } from './held.ts'
import { pastScopes, type PastScope } from './history.ts'
import { latestLeaks, leakSites, type LeakSite } from './leaks.ts'
import { openPools, type PoolCounts, type PoolSource } from './pools.ts'
import type { Activity, LeakLevel, LeakReport, ScopeSnapshot } from './reports.ts'
import type { App } from './types.ts'
import { allUsages, type Usage } from './usage.ts'

/**
 * - `at`: milliseconds since the epoch
 * - `scopes`: the app, and below it its open scopes, with what they hold
 * - `held`: what somebody owns outside of scopes, in the whole process, oldest first
 * - `closed`: of this app, newest first; empty unless somebody keeps looking
 * - `leaks`: the latest ones of the process, newest first; `sites`: how often at each place
 * - `usage`: for each name of a resource of the process; the buckets are described in usage.ts
 */
export interface Picture {
  readonly at: number
  readonly level: LeakLevel
  readonly scopes: ScopeSnapshot
  readonly held: readonly HeldSnapshot[]
  readonly closed: readonly PastScope[]
  readonly leaks: readonly LeakReport[]
  readonly sites: readonly LeakSite[]
  readonly usage: readonly UsageSnapshot[]
  readonly pools: readonly PoolSnapshot[]
}

export interface HeldSnapshot {
  readonly resource: string
  /** The scope in which it was acquired, if that is open. */
  readonly scope: ScopeIdentity | undefined
  readonly pool: string | undefined
  readonly heldMs: number
  /** The lines of a stack, if one was taken. */
  readonly site: string | undefined
  /** Held for too long, or its scope has closed. */
  readonly suspected: boolean
  /** Known only where its acquisition was watched. */
  readonly activity: Activity | undefined
}

export interface UsageSnapshot extends Pick<Usage, 'name' | 'released' | 'leaked'> {
  /** Counts by bucket: how long was waited, and how long it was held. Empty until the first release. */
  readonly waits: readonly number[]
  readonly holds: readonly number[]
}

interface PoolSnapshot extends PoolCounts {
  readonly name: string
  readonly system: string
  readonly limit: number | undefined
}

export function pictureOf(app: App): Picture {
  const now = exactNow()
  return {
    at: Date.now(),
    level: detection.level,
    scopes: app.inspect(),
    held: allHeld().map((ticket) => heldSnapshot(ticket, now)),
    closed: pastScopes(app.id),
    leaks: latestLeaks(),
    sites: leakSites(),
    usage: allUsages().map(usageSnapshot),
    pools: openPools().map(poolSnapshot),
  }
}

function heldSnapshot(ticket: Ticket, now: number): HeldSnapshot {
  const { resource, scope, pool, since, note, suspected, handle } = ticket
  return {
    resource,
    scope: scope && identityOf(scope),
    pool,
    heldMs: elapsed(since, now),
    site: note?.site,
    suspected,
    activity: activityOf(handle, now),
  }
}

function usageSnapshot({ name, released, leaked, waits, holds }: Usage): UsageSnapshot {
  return { name, released, leaked, waits, holds }
}

function poolSnapshot(pool: PoolSource): PoolSnapshot {
  const { total, idle, leased, waiting } = pool.stats()
  const { poolName, system, limit } = pool
  return { name: poolName, system, limit, total, idle, leased, waiting }
}
