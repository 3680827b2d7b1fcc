/**
 * The picture of an app that the page shows, as rows, each list with an end, whatever the program does.
 */
import { performance } from 'node:perf_hooks'
import { detection } from '../core/watching/detection.ts'
import { allHeld } from '../core/watching/held.ts'
import { latestLeaks, leakSites, type LeakSite } from '../core/watching/leaks.ts'
import { openPools, type PoolSource } from '../core/watching/pools.ts'
import type { App } from '../core/types.ts'
import { allUsages } from '../core/watching/usage.ts'
import { cleanName } from './clean.ts'
import { heldIn, scopesIn } from './held-rows.ts'
import { pastScopes } from './history.ts'
import { closedRow, holdTimes, leakRows } from './past-rows.ts'
import type { Picture, PoolRow } from './page/picture.ts'

/** Rows of a table: more cannot be read, and would cost more than they tell. */
const mostRows = 500
/** Rows of the smaller lists. */
const most = 50

export function pictureOf(app: App): Picture {
  const at = Date.now()
  const scopes = scopesIn(app.inspect(), mostRows)
  const { rows, ...counts } = heldIn(scopes.all, allHeld(), mostRows)
  const sites = leakSites()
  const certain = sites.filter(({ reason }) => reason !== 'age')
  return {
    at,
    app: cleanName(app.name),
    pid: process.pid,
    node: process.version,
    upMs: Math.round(performance.now()),
    level: detection.level,
    counts: { scopes: scopes.all.length, ...counts, leaks: left(sites), certain: left(certain) },
    scopes: scopes.rows,
    held: rows,
    pools: poolRows(openPools().slice(0, most)),
    holdTimes: holdTimes(allUsages()),
    closed: pastScopes(app.id)
      .slice(0, most)
      .map((scope) => closedRow(scope, at)),
    leaks: leakRows(sites, latestLeaks(), most),
  }
}

/** What leaked there and did not come back. */
function left(sites: readonly LeakSite[]): number {
  return sites.reduce((sum, { count, returned }) => sum + count - returned, 0)
}

/** Two pools of one database have one name: the second is called so. */
function poolRows(pools: readonly PoolSource[]): PoolRow[] {
  const times = new Map<string, number>()
  return pools.map((pool) => {
    const { poolName, limit } = pool
    const name = cleanName(poolName)
    const { total, leased, idle, waiting } = pool.stats()
    const nth = (times.get(name) ?? 0) + 1
    times.set(name, nth)
    const row = { name: nth === 1 ? name : `${name} (${nth})`, total, leased, idle, waiting }
    return limit === undefined ? row : { ...row, limit }
  })
}
