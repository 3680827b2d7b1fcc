/**
 * The picture of an app that the page shows: the core's, as rows, each list with an end, whatever the program does.
 */
import { performance } from 'node:perf_hooks'
import { pictureOf as seen, type Picture as Seen } from '../core/looking.ts'
import type { App } from '../core/types.ts'
import { cleanName } from './clean.ts'
import { heldIn, scopesIn } from './held-rows.ts'
import { closedRow, holdTimes, leakRows } from './past-rows.ts'
import type { Picture, PoolRow } from './page/picture.ts'

/** Rows of a table: more cannot be read, and would cost more than they tell. */
const mostRows = 500
/** Rows of the smaller lists. */
const most = 50

export function pictureOf(app: App): Picture {
  const picture = seen(app)
  const scopes = scopesIn(picture.scopes, mostRows)
  const { rows, ...counts } = heldIn(scopes.all, picture.held, mostRows)
  const leaks = picture.sites.reduce((sum, { count, returned }) => sum + count - returned, 0)
  return {
    at: picture.at,
    app: cleanName(app.name),
    pid: process.pid,
    node: process.version,
    upMs: Math.round(performance.now()),
    level: picture.level,
    counts: { scopes: scopes.all.length, ...counts, leaks },
    scopes: scopes.rows,
    held: rows,
    pools: poolRows(picture.pools.slice(0, most)),
    holdTimes: holdTimes(picture.usage),
    closed: picture.closed.slice(0, most).map((scope) => closedRow(scope, picture.at)),
    leaks: leakRows(picture, most),
  }
}

/** Two pools of one database have one name: the second is called so. */
function poolRows(pools: Seen['pools']): PoolRow[] {
  const times = new Map<string, number>()
  return pools.map(({ name, total, leased, idle, waiting, limit }) => {
    const nth = (times.get(name) ?? 0) + 1
    times.set(name, nth)
    const row = {
      name: cleanName(nth === 1 ? name : `${name} (${nth})`),
      total,
      leased,
      idle,
      waiting,
    }
    return limit === undefined ? row : { ...row, limit }
  })
}
