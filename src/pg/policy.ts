/** What a pool's leases do at their release. */
import { checkOptions, expected, flag, milliseconds, oneOf, type Rule } from '../core/options.ts'
import { resetPolicy, resetRule, type ResetPolicy } from './reset.ts'
import type { PgPoolOptions } from './types.ts'

export interface Policy {
  readonly reset: ResetPolicy
  readonly inFlight: 'cancel' | 'wait' | 'destroy'
  /** Milliseconds. */
  readonly grace: number
  /** Every transaction may run in another session of the server. */
  readonly transactionPooling: boolean
}

export const poolRules: Readonly<Record<string, Rule>> = {
  own: flag,
  reset: resetRule,
  inFlight: oneOf('cancel', 'wait', 'destroy'),
  grace: milliseconds,
  transactionPooling: flag,
}

/** @throws {TypeError} for unknown or wrong options, and for two that contradict each other */
export function checkPoolOptions(
  where: string,
  options: PgPoolOptions | undefined,
  rules: Readonly<Record<string, Rule>> = poolRules,
): void {
  checkOptions(where, options, rules)
  const { transactionPooling, reset = 'auto' } = options ?? {}
  if (transactionPooling !== true || reset === 'auto' || reset === 'never') return
  throw expected(
    `option \`reset\` of ${where} with \`transactionPooling\``,
    "'auto' or 'never'",
    reset,
  )
}

/** Behind a pooler of transactions there is nothing of a session to reset. */
export function policyOf({
  transactionPooling = false,
  reset = 'auto',
  inFlight = 'cancel',
  grace = 2_000,
}: PgPoolOptions): Policy {
  const policy = resetPolicy(transactionPooling ? 'never' : reset)
  return { reset: policy, inFlight, grace, transactionPooling }
}
