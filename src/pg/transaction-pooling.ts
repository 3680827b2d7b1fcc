/**
 * Behind a pooler that gives every transaction another session of the server, what needs one session for longer is
 * refused: it would work in a test, and go wrong for somebody else in production.
 */
import { setsForSession } from './changes.ts'
import { transactionPooling } from './errors.ts'
import type { Session } from './session.ts'
import { statementsOf } from './sql-text.ts'
import { sqlOf } from './query-arguments.ts'
import type { PgQueryConfig } from './types.ts'

interface Refusal {
  readonly pattern: { test(text: string): boolean }
  readonly what: string
  readonly instead: string
}

const refusals: readonly Refusal[] = [
  {
    pattern: /^(?:set\s+(?!local\b|transaction\b|constraints\b)|reset\b|discard\b|load\b)/i,
    what: 'A setting of the session',
    instead: 'Use SET LOCAL in a transaction.',
  },
  {
    pattern: { test: setsForSession },
    what: 'A setting of the session',
    instead: 'Use set_config(name, value, true) in a transaction.',
  },
  {
    pattern: /\bpg_(?:try_)?advisory_(?:lock|unlock)/i,
    what: 'An advisory lock of the session',
    instead: 'Use advisoryLock() of a transaction.',
  },
  {
    pattern: /^(?:un)?listen\b/i,
    what: 'LISTEN',
    instead: 'Listen with a pool that connects to the server itself.',
  },
  {
    pattern: /^(?:prepare\s+(?!transaction\b)|deallocate\b)/i,
    what: 'A prepared statement of the session',
    instead: 'Give the query a `name`, where the pooler keeps prepared statements, or none.',
  },
  {
    pattern: /^declare\b[^;]*\bwith\s+hold\b/i,
    what: 'A cursor that outlives its transaction',
    instead: 'Use cursor() of a transaction.',
  },
  {
    pattern:
      /\b(?:create(?:\s+or\s+replace)?|into)\s+(?:local\s+|global\s+)?temp(?:orary)?\b(?![^;]*\bon\s+commit\s+drop\b)/i,
    what: 'A temporary table that outlives its transaction',
    instead: 'Create it ON COMMIT DROP, in a transaction.',
  },
]

/**
 * Behind such a pooler only.
 * @throws `ERR_PG_TRANSACTION_POOLING` for a statement that needs its session for longer than its transaction
 */
export function checkPooling(session: Session, statement: string | PgQueryConfig): void {
  if (!session.policy.transactionPooling) return
  for (const part of statementsOf(sqlOf(statement))) {
    const refusal = refusals.find(({ pattern }) => pattern.test(part))
    if (refusal !== undefined) throw transactionPooling(refusal.what, refusal.instead)
  }
}
