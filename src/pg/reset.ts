/** When a session is reset, and the statements that do it. */
import type { Rule } from '../core/options.ts'
import type { PgReset } from './types.ts'

/** DISCARD ALL would also drop prepared statements, which the driver believes to be there for ever after. */
const standard =
  'CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; UNLISTEN *; SELECT pg_advisory_unlock_all(); DISCARD TEMP; DISCARD SEQUENCES'

/**
 * The statements of SQL's own PREPARE alone: those of the driver, which come with the protocol, are to stay. Only where one
 * was seen: this takes longer than all of the above.
 */
const deallocation = `DO $$ DECLARE prepared text; BEGIN
  FOR prepared IN SELECT name FROM pg_catalog.pg_prepared_statements WHERE from_sql LOOP
    EXECUTE pg_catalog.format('DEALLOCATE %I', prepared);
  END LOOP;
END $$`

export interface ResetPolicy {
  readonly when: 'auto' | 'always' | 'never'
  readonly sql: string
  /** The same, after a PREPARE. */
  readonly afterPrepare: string
  /** Can stand in one message with others. A user's statements may refuse to, as DISCARD ALL does. */
  readonly joins: boolean
}

export function resetPolicy(reset: PgReset = 'auto'): ResetPolicy {
  if (typeof reset === 'string') {
    const afterPrepare = `${standard}; ${deallocation}`
    return { when: reset, sql: standard, afterPrepare, joins: true }
  }
  const { when = 'auto', sql } = reset
  return { when, sql, afterPrepare: sql, joins: false }
}

export function needsReset({ when }: ResetPolicy, dirty: boolean): boolean {
  return when === 'always' || (when === 'auto' && dirty)
}

export const resetRule: Rule = {
  expected: "'auto', 'always', 'never' or { sql, when?: 'auto' | 'always' }",
  accepts: (value) =>
    typeof value === 'string'
      ? ['auto', 'always', 'never'].includes(value)
      : typeof value === 'object' &&
        value !== null &&
        'sql' in value &&
        typeof value.sql === 'string' &&
        // Its type follows from where it comes from, which the compiler does not see.
        (!('when' in value) || [undefined, 'auto', 'always'].includes(value.when as undefined)),
}
