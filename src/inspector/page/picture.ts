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
  /** Since it was acquired; while it is being acquired, since that began. */
  readonly heldMs: number
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
  /** `owned`: acquired outside of scopes, by somebody who has to dispose it. */
  readonly lifetime: string
  /** Empty where there is none. */
  readonly scope: string
  /** Held by the app itself, so meant to stay. */
  readonly ofApp: boolean
  readonly state: HeldState
  readonly heldMs: number
  /** Where it was acquired, if that was recorded: one call a line. */
  readonly site?: string
  /** What it does, if it can tell: `idle in transaction`. */
  readonly doing?: string
  /** Since it was last used, if it can tell. */
  readonly idleMs?: number
  /** Held after its scope closed, or for too long. */
  readonly suspected: boolean
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

/** How long one kind of resource was held. Bucket `i` counts times from 2^i up to 2^(i+1) microseconds. */
export interface HoldTimes {
  readonly resource: string
  readonly count: number
  /** The first bucket that is not empty; the others follow, up to the last that is not. */
  readonly first: number
  readonly buckets: readonly number[]
}

/** What one resource of a closed scope went through, one after the other. */
export interface PastBar {
  readonly name: string
  /** From the opening of the scope until it was asked for. */
  readonly startMs: number
  readonly waitMs: number
  readonly heldMs: number
  readonly releaseMs: number
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
  /** In the order of their release. */
  readonly bars: readonly PastBar[]
}

export interface LeakRow {
  readonly resource: string
  readonly reason: 'age' | 'scope' | 'collected'
  readonly site: string
  readonly count: number
  /** How many of them came back after all. */
  readonly returned: number
  /** The scope of the latest, if that is known. */
  readonly scope: string
  /** Of the latest, when it was noticed. */
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
    /** Without those that came back. */
    readonly leaks: number
    /** Of these, the ones that are more than held for long. */
    readonly certain: number
  }
  /** Each below the one that it was opened in. */
  readonly scopes: readonly ScopeRow[]
  /** Oldest first. */
  readonly held: readonly HeldRow[]
  readonly pools: readonly PoolRow[]
  /** Of those that were released most often. */
  readonly holdTimes: readonly HoldTimes[]
  /** Latest first. */
  readonly closed: readonly ClosedRow[]
  /** The most frequent ones. */
  readonly leaks: readonly LeakRow[]
}
