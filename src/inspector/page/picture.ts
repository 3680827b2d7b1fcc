/**
 * What the server tells the page once a second, and what `snapshot.json` says: everything that is shown, already capped
 * and cleaned. Durations are milliseconds.
 */

/** `closing` scopes release; the others are what they are called. */
export type ScopeState = 'open' | 'draining' | 'closing' | 'closed'
export type HeldState = 'acquiring' | 'open' | 'releasing'

export interface Bar {
  /** Stays the same while it is there. */
  readonly key: string
  readonly name: string
  readonly state: HeldState
  /** Since the acquisition began, where that is known. */
  readonly askedMs?: number
  /** Since it was acquired; while it is being acquired, since that began. */
  readonly heldMs: number
  /** Since its release began. */
  readonly releasingMs?: number
}

export interface ScopeRow {
  readonly id: string
  readonly name: string
  readonly kind: 'app' | 'request' | 'scope'
  readonly state: ScopeState
  readonly ageMs: number
  readonly aborted: boolean
  readonly tasks: number
  /** How many scopes are around it. */
  readonly depth: number
  /** How many resources it holds. */
  readonly holds: number
  /** The oldest of these. */
  readonly bars: readonly Bar[]
}

export interface HeldRow {
  readonly key: string
  readonly resource: string
  readonly lifetime: string
  readonly scope: string
  readonly state: HeldState
  readonly heldMs: number
  /** Where it was acquired, if that was recorded: one call a line. */
  readonly site?: string
  /** Since it was last used, if that is known. */
  readonly idleMs?: number
  /** Held by the app itself, so meant to stay. */
  readonly ofApp: boolean
  /** Held after its scope closed, or for too long. */
  readonly suspect?: boolean
}

export interface PoolRow {
  readonly name: string
  readonly total: number
  readonly leased: number
  readonly idle: number
  readonly waiting: number
  /** The most connections it opens, if that is known. */
  readonly limit?: number
}

/** How long one kind of resource was held. Bucket `i` counts what took at most 2^(i/2) microseconds. */
export interface HoldTimes {
  readonly resource: string
  readonly count: number
  /** The first bucket that is not empty; the others follow. */
  readonly first: number
  readonly buckets: readonly number[]
}

export interface ClosedRow {
  readonly id: string
  readonly name: string
  readonly kind: string
  readonly outcome: 'success' | 'failure' | 'aborted' | 'unknown'
  /** Since it closed. */
  readonly agoMs: number
  /** From its opening to its end. */
  readonly tookMs: number
  readonly held: readonly string[]
}

export interface LeakRow {
  readonly resource: string
  readonly reason: 'age' | 'scope' | 'collected'
  readonly scope: string
  readonly site: string
  readonly count: number
  /** The longest of them. */
  readonly heldMs: number
}

export interface Picture {
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly app: string
  readonly pid: number
  readonly node: string
  readonly upMs: number
  /** The level of leak detection. */
  readonly level: string
  /** All that there are; the rows below are capped. */
  readonly counts: {
    readonly scopes: number
    readonly acquiring: number
    readonly open: number
    readonly releasing: number
    readonly leaks: number
  }
  /** Each below the one that it was opened in. */
  readonly scopes: readonly ScopeRow[]
  /** Oldest first. */
  readonly held: readonly HeldRow[]
  readonly pools: readonly PoolRow[]
  readonly holdTimes: readonly HoldTimes[]
  /** Latest first. */
  readonly closed: readonly ClosedRow[]
  readonly leaks: readonly LeakRow[]
}
