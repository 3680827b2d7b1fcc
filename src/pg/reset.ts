/**
 * Which session state a lease leaves behind, and the statements that remove it. Asking the server what changed costs
 * more than changing it back; what its answers already say costs nothing.
 */
import type { Rule } from '../core/options.ts'
import type { DriverResult } from './driver.ts'
import type { Statement } from './statement.ts'
import type { PgReset } from './types.ts'

/** DISCARD ALL would also drop prepared statements, which the driver believes to be there for ever after. */
const standard =
  'CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; UNLISTEN *; SELECT pg_advisory_unlock_all(); DISCARD TEMP; DISCARD SEQUENCES'

export interface ResetPolicy {
  readonly when: 'auto' | 'always' | 'never'
  readonly sql: string
  /** Can stand in one message with others. A user's statements may refuse to, as DISCARD ALL does. */
  readonly joins: boolean
}

export function resetPolicy(reset: PgReset = 'auto'): ResetPolicy {
  if (typeof reset === 'string') return { when: reset, sql: standard, joins: true }
  return { when: reset.when ?? 'auto', sql: reset.sql, joins: false }
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

/** The commands that change a session; CREATE may be that of a temporary table. */
const changing = new Set(
  'SET RESET LISTEN UNLISTEN PREPARE DECLARE CREATE DISCARD LOAD DO CALL'.split(' '),
)

/** Whether an answer of the server shows that its statement may have changed the session. */
export function changesSession(result: DriverResult, { text }: Statement): boolean {
  if (!('command' in result)) return result.some((part) => changing.has(part.command))
  if (!changing.has(result.command)) return false
  return result.command !== 'SET' || !transient.test(typeof text === 'string' ? text : text.text)
}

/** Ends with its transaction. */
const transient = /^\s*SET\s+(?:LOCAL|TRANSACTION|CONSTRAINTS)\s/i
