/** Errors and outcomes as short texts, so that a whole chain is compared in one line: `S(newest←S(older←body))`. */
import { isSuppressed } from './suppressed.ts'
import type { Outcome } from 'unwind'

export function chain(error: unknown): string {
  if (isSuppressed(error)) return `S(${chain(error.error)}←${chain(error.suppressed)})`
  return error instanceof Error ? error.message || error.name : String(error)
}

/** Every error of a chain, newest first: for comparing by identity. */
export function errorsOf(error: unknown): unknown[] {
  if (!isSuppressed(error)) return [error]
  return [...errorsOf(error.error), ...errorsOf(error.suppressed)]
}

export function ending(outcome: Outcome): string {
  if (outcome.status === 'failure') return `failure(${chain(outcome.error)})`
  if (outcome.status !== 'aborted') return outcome.status
  const reason = chain(outcome.reason)
  return 'error' in outcome ? `aborted(${reason}, ${chain(outcome.error)})` : `aborted(${reason})`
}
