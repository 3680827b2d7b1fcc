/**
 * Which session state a lease leaves behind, and the statements that remove it. Asking the server what changed costs
 * more than changing it back; what its answers already say costs nothing.
 */
import type { Rule } from '../core/options.ts'
import type { DriverResult } from './driver.ts'
import { sqlOf, type Statement } from './statement.ts'
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

/** Whether a statement may have changed the session, as far as its text and the server's answer show it. */
export function changesSession(result: DriverResult, statement: Statement): boolean {
  if (!('command' in result)) return result.some((part) => changes(part.command, statement))
  return changes(result.command, statement)
}

function changes(command: string, statement: Statement): boolean {
  const tells = telling.has(command)
  if (!tells && !changing.has(command)) return false
  const sql = sqlOf(statement.text)
  if (tells) return hides(sql)
  if (command === 'DECLARE') return holds.test(sql)
  return command !== 'SET' || sql.includes(';') || !transient.test(sql)
}

/** Texts that hide nothing: most are sent again, and looking costs more than remembering. */
const plain = new Set<string>()
const remembered = { texts: 500, length: 1_000 }

function hides(sql: string): boolean {
  if (plain.has(sql)) return false
  if (hidden.test(sql)) return true
  if (plain.size >= remembered.texts) plain.clear()
  if (sql.length <= remembered.length) plain.add(sql)
  return false
}

/** Ends with its transaction. */
const transient = /^\s*SET\s+(?:LOCAL|TRANSACTION|CONSTRAINTS)\s/i

/** A cursor without this ends with its transaction. */
const holds = /\bWITH\s+HOLD\b/i

/** The commands whose text is looked at, because their answer does not show what was called in them. */
const telling = new Set(['SELECT'])

/** What ends with its transaction is no change: `set_config` with a literal `true`, locks with `xact` in their name. */
const hidden =
  /\bset_config\s*\((?![^;]*?,\s*true\s*\))|\bpg_(?:try_)?advisory_lock|\b(?:into|create)\s+(?:local\s+|global\s+)?temp/i
