/**
 * What can be seen of a scope from outside: its kind, its state, what it holds, how it went down.
 */

/**
 * How long a resource lives, and how many callers share one.
 *
 * - `app`: one for each app (a pool, a database file)
 * - `request`: one for each request scope (a leased connection, a transaction); nested blocks share it
 * - `scope`: one for each nearest scope
 * - `transient`: a new one for every `get`, owned by the scope that asked
 */
export type Lifetime = 'app' | 'request' | 'scope' | 'transient'

/** `app`: the root. `request`: a unit of work with `request` resources of its own. `scope`: a block within one. */
export type ScopeKind = 'app' | 'request' | 'scope'

/** `open` → `draining` (its tasks and children end) → `closing` (its resources are released) → `closed`. */
export type ScopeState = 'open' | 'draining' | 'closing' | 'closed'

/** How long a shutdown waits for what. */
export interface ShutdownOptions {
  /** Milliseconds in which everything is still accepted. Default 0. */
  lameDuck?: number
  /** Milliseconds for what runs to end by itself, before it is aborted. Default 10_000. */
  grace?: number
  /** Milliseconds for what was aborted to end, before it is left behind. Default 1_000. */
  abortGrace?: number
  /** Ends `lameDuck` and `grace` early. */
  signal?: AbortSignal
}

/** How a shutdown went. Scopes are counted that were open when it began, or opened meanwhile. */
export interface ShutdownReport {
  /** Scopes that ended by themselves. */
  readonly drained: number
  /** Scopes that were aborted when the grace was over. */
  readonly aborted: number
  /**
   * Scopes that were still open when all graces were over. One that `child()` had opened and in which nothing goes on was
   * closed then; where something does, it keeps what it holds.
   */
  readonly stuck: readonly ScopeSnapshot[]
  /**
   * What failed while the app released what it holds, what it was still acquiring then, what its own tasks failed with, and
   * that some of these were left behind. What a request failed with is not among it: whoever waited for that was told.
   */
  readonly errors: readonly unknown[]
}

/** One thing that a scope holds, or is acquiring or releasing, at the moment of `inspect()`. */
export interface ResourceSnapshot {
  /** That of the resource; for what was given to `use`, `adopt` or `defer`, that of its class or function. */
  readonly name: string
  /** `value` for what was given to `use`, `adopt` or `defer`. */
  readonly lifetime: Lifetime | 'value'
  /** How far it is on its way. */
  readonly state: 'acquiring' | 'open' | 'releasing'
  /** Milliseconds since it was acquired; since its acquisition began, of what is acquiring or needs no release. */
  readonly heldMs: number
  /** Where it was acquired, if that was recorded. */
  readonly stack?: string
  /** What it is doing, if it can tell: a leased connection can. */
  readonly activity?: Activity
}

/** What something held is doing. */
export interface Activity {
  /** Of a connection: `running`, `idle`, `idle in transaction` or `failed transaction`. */
  readonly state: string
  /** Milliseconds since its last statement began or ended. */
  readonly sinceMs: number
}

/** A scope at the moment of `inspect()`, with what it holds and what is open below it. Plain data. */
export interface ScopeSnapshot {
  /** Unique in its process. */
  readonly id: string
  /** As the options gave it, else its kind. */
  readonly name: string
  /** Whether it is the app, a request, or a block within one. */
  readonly kind: ScopeKind
  /** How far it is on its way from `open` to `closed`. */
  readonly state: ScopeState
  /** Milliseconds since it was opened. */
  readonly ageMs: number
  /** Whether its signal has aborted. */
  readonly aborted: boolean
  /** How many tasks are running. */
  readonly tasks: number
  /** Newest first, which is the order of release; then those that need none. */
  readonly resources: readonly ResourceSnapshot[]
  /** Newest first. */
  readonly children: readonly ScopeSnapshot[]
}

/**
 * How closely acquisitions are watched.
 *
 * - `off`: not at all
 * - `simple` (default): counters, ages, hold times; no stacks
 * - `sampled`: a stack and a garbage-collection check for one acquisition in 128
 * - `full`: for every acquisition
 */
export type LeakLevel = 'off' | 'simple' | 'sampled' | 'full'

/** Something that was not given back. Nothing is ever taken away from whoever still uses it. */
export interface LeakReport {
  /**
   * - `age`: held for longer than the threshold, which is only a suspicion
   * - `scope`: still held when its scope had closed
   * - `collected`: garbage before it was released
   */
  readonly reason: 'age' | 'scope' | 'collected'
  /** The name of the resource, or what kind of lease it is. */
  readonly resource: string
  /** The name of the scope in which it was acquired. */
  readonly scope: string | undefined
  /** Milliseconds since it was acquired. */
  readonly heldMs: number
  /** Where it was acquired, as the lines of a stack; how to see it, where no stack was taken. */
  readonly site: string
}
