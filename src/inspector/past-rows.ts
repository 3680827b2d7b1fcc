/**
 * What has been, as rows: the scopes that closed last, how long things were held, and what leaked where.
 */
import type { LeakSite } from '../core/watching/leaks.ts'
import type { LeakReport } from '../core/types.ts'
import type { Usage } from '../core/watching/usage.ts'
import { cleanName, cleanSite } from './clean.ts'
import { rounded } from './held-rows.ts'
import type { PastResource, PastScope } from './history.ts'
import type { ClosedRow, HoldTimes, LeakRow, PastBar } from './page/picture.ts'

/** Bars of one scope. */
const mostBars = 6
/** Histograms. */
const mostTimes = 16

/** @param now milliseconds since the epoch */
export function closedRow(scope: PastScope, now: number): ClosedRow {
  const { id, name, kind, outcome, durationMs, closedAt, resources } = scope
  return {
    id,
    name: cleanName(name),
    kind,
    outcome,
    agoMs: Math.max(0, now - closedAt),
    tookMs: rounded(durationMs),
    bars: resources.slice(0, mostBars).map(pastBar),
  }
}

function pastBar({ resource, startMs, waitMs, heldMs, releaseMs }: PastResource): PastBar {
  return {
    name: cleanName(resource),
    startMs: rounded(startMs),
    waitMs: rounded(waitMs),
    heldMs: rounded(heldMs),
    releaseMs: rounded(releaseMs),
  }
}

/** Of what was released most often, by name: the order then stays. */
export function holdTimes(usage: readonly Usage[]): HoldTimes[] {
  return usage
    .filter(({ holds }) => holds.some((size) => size > 0))
    .toSorted((a, b) => b.released - a.released)
    .slice(0, mostTimes)
    .map(timesRow)
    .toSorted((a, b) => a.resource.localeCompare(b.resource))
}

function timesRow({ name, released, holds }: Usage): HoldTimes {
  const first = holds.findIndex((size) => size > 0)
  const last = holds.findLastIndex((size) => size > 0)
  return {
    resource: cleanName(name),
    count: released,
    first,
    buckets: [...holds.subarray(first, last + 1)],
  }
}

export function leakRows(
  sites: readonly LeakSite[],
  leaks: readonly LeakReport[],
  most: number,
): LeakRow[] {
  const frequent = sites.toSorted((a, b) => b.count - a.count).slice(0, most)
  return frequent.map(({ reason, resource, site, count, returned }) => {
    const latest = leaks.find(
      (leak) => leak.reason === reason && leak.resource === resource && leak.site === site,
    )
    return {
      reason,
      resource: cleanName(resource),
      site: cleanSite(site),
      count,
      returned,
      scope: cleanName(latest?.scope ?? ''),
      heldMs: rounded(latest?.heldMs ?? 0),
    }
  })
}
