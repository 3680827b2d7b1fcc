/** What a pool's leases do at their release. */
import { flag, milliseconds, oneOf, type Rule } from '../core/options.ts'
import { resetPolicy, resetRule, type ResetPolicy } from './reset.ts'
import type { PgPoolOptions } from './types.ts'

export interface Policy {
  readonly reset: ResetPolicy
  readonly inFlight: 'cancel' | 'wait' | 'destroy'
  /** Milliseconds. */
  readonly grace: number
}

export const poolRules: Readonly<Record<string, Rule>> = {
  own: flag,
  reset: resetRule,
  inFlight: oneOf('cancel', 'wait', 'destroy'),
  grace: milliseconds,
}

export function policyOf({ reset, inFlight = 'cancel', grace = 2_000 }: PgPoolOptions): Policy {
  return { reset: resetPolicy(reset), inFlight, grace }
}
