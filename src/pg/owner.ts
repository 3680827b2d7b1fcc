/** Where a transaction stands: whose it is, and how far it has come. */
import type { Scope } from '../core/types.ts'

/** Whose transaction it is: a lease's, or that of the transaction around a savepoint. */
export interface Owner {
  /** The next one may begin. */
  ended(): void
  /** Refuse statements from now on, because `scope` closes what it had lent; `undefined`: no longer. */
  suspend(scope: Scope | undefined): void
  destroy(error: Error): void
}

/** `unknown`: the connection was lost during COMMIT. */
export type Phase = 'open' | 'committing' | 'rolling back' | Final
export type Final = 'committed' | 'rolled back' | 'unknown'
