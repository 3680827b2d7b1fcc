/** Where a transaction stands: whose it is, and how far it has come. */
import type { Scope } from '../core/types.ts'

/** Whose transaction it is: a lease's, or that of the transaction around a savepoint. */
export interface Owner {
  /** The next one may begin. */
  ended(): void
  /** Refuse statements from now on, because `scope` closes what it had lent; `undefined`: no longer. */
  suspend(scope: Scope | undefined): void
  destroy(error: Error): unknown
}

/** The transaction of a handle, as its connection knows it. */
export interface Held {
  /** Its own end has begun. */
  readonly ending: boolean
  /** A statement ended it behind the back of its handle. */
  lapse(end: Final): void
}

/**
 * - `cut`: rolled back with what it ran on, before its own end
 * - `unknown`: the connection was lost during COMMIT, or a statement ended it and nobody saw which
 */
export type Phase = 'open' | 'committing' | 'rolling back' | 'cut' | Final
export type Final = 'committed' | 'rolled back' | 'unknown'
