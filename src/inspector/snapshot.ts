/** What the page shows, for programs: a health check, a log line at shutdown, a test. */
import { latestLeaks } from '../core/watching/leaks.ts'
import { checkApp } from '../core/options.ts'
import type { App, LeakReport, ScopeSnapshot } from '../core/types.ts'

/** What an app holds and what has leaked, at one moment. Plain data. */
export interface Snapshot {
  /** Milliseconds since the epoch. */
  readonly at: number
  /** The whole tree, without a cap. */
  readonly scopes: ScopeSnapshot
  /** The latest 100 of this process, newest first. */
  readonly leaks: readonly LeakReport[]
}

/**
 * What is open and held now, and what has leaked.
 *
 * @throws {TypeError} for an app that is none
 */
export function snapshot(app: App): Snapshot {
  checkApp('snapshot()', app)
  return { at: Date.now(), scopes: app.inspect(), leaks: latestLeaks() }
}
