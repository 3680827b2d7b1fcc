/**
 * Which session state a lease leaves behind. Asking the server what changed costs more than changing it back; what its
 * answers and the texts of the statements already say costs nothing.
 */
import { hasCommand, type DriverResult } from './driver.ts'
import { PlainTexts, statementsOf } from './sql-text.ts'
import { sqlOf } from './query-arguments.ts'
import type { Statement } from './statement.ts'

export class Changes {
  /** Settings, temporary tables or locks may be left in the session. */
  dirty = false
  /** So may statements of SQL's own PREPARE, which is one of the changes. */
  prepared = false
  /** Names of prepared statements that are gone, or `all`: where they were the driver's, it does not know. */
  readonly deallocated: Set<string> = new Set()
  /** The driver's client was handed out: what was done with it is not known. */
  unsafe = false
  #listening: Set<() => void> | undefined = undefined

  /** Whoever held it hears nothing of the next holder's. */
  clear(): void {
    this.#listening?.forEach((stop) => stop())
    this.#listening = undefined
    this.dirty = false
    this.prepared = false
    this.deallocated.clear()
    this.unsafe = false
  }

  /**
   * Somebody listens to the driver's client: `stop` is called where nobody did by the end of the lease.
   * @returns what stops it before
   */
  noteListening(stop: () => void): () => void {
    const listening = (this.#listening ??= new Set()).add(stop)
    return () => {
      listening.delete(stop)
      stop()
    }
  }

  noteUnsafe(): void {
    this.dirty = true
    this.prepared = true
    this.unsafe = true
  }

  noteResult(result: DriverResult, statement: Statement): void {
    if (statement.control) return
    this.dirty ||= changesSession(result, statement)
    this.prepared ||= this.dirty && hasCommand(result, 'PREPARE')
    if (this.dirty) this.#noteDeallocated(sqlOf(statement.text))
  }

  /**
   * Of what fails, most is undone; locks and prepared statements stay, and so does what was committed on the way.
   * @param servers the server failed it; else it may have been done
   */
  noteError(statement: Statement, servers: boolean): void {
    if (statement.control) return
    const sql = sqlOf(statement.text)
    this.dirty ||= !servers || outlastsFailure(sql)
    this.prepared ||= this.dirty && /\bprepare\b/i.test(sql)
    if (this.dirty) this.#noteDeallocated(sql)
  }

  #noteDeallocated(sql: string): void {
    for (const [, exact, name = ''] of sql.matchAll(deallocates)) {
      this.deallocated.add(exact ?? name.toLowerCase())
    }
  }
}

const deallocates = /\b(?:discard|deallocate(?:\s+prepare)?)\s+(?:"([^"]+)"|([\w$]+))/gi

/** The commands that change a session; CREATE may be that of a temporary table. */
const changing = new Set(
  'SET RESET LISTEN UNLISTEN PREPARE DEALLOCATE DECLARE CREATE DISCARD LOAD DO CALL'.split(' '),
)

/** Whether a statement may have changed the session, as far as its text and the server's answer show it. */
function changesSession(result: DriverResult, statement: Statement): boolean {
  if (!('command' in result)) return result.some((part) => changes(part.command, statement))
  return changes(result.command, statement)
}

function changes(command: string, statement: Statement): boolean {
  const sql = sqlOf(statement.text)
  if (!changing.has(command)) return hides(sql)
  if (command === 'DECLARE') return holds.test(sql) || hides(sql)
  return command !== 'SET' || sql.includes(';') || !transient.test(sql)
}

/** A statement that fails is undone as a whole, unless it may commit by itself. In a script, each is one for itself. */
function outlastsFailure(sql: string): boolean {
  if (hides(sql)) return true
  const [first = '', ...more] = statementsOf(sql)
  return more.length > 0 ? changingInScript.test(sql) : /^(?:do|call)\b/i.test(first)
}

const changingInScript = new RegExp(`\\b(?:${[...changing].join('|')})\\b`, 'i')

/** They hide nothing. */
const plain = new PlainTexts()

/** Whether something is called in `sql` that the server's answer does not show. */
function hides(sql: string): boolean {
  if (plain.has(sql)) return false
  if (hidden.test(sql) || mentionsSetting(sql)) return true
  plain.add(sql)
  return false
}

/** Ends with its transaction. */
const transient = /^\s*SET\s+(?:LOCAL|TRANSACTION|CONSTRAINTS)\s/i

/** A cursor without this ends with its transaction. */
const holds = /\bWITH\s+HOLD\b/i

/** Locks with `xact` in their name are no change: they end with their transaction. */
const hidden =
  /\bpg_(?:try_)?advisory_lock|\b(?:into|create)\s+(?:local\s+|global\s+)?temp|\bpg_temp\b/i

/** With its quoted text and without it: the text may look like the end of the call, and may be what is executed. */
function mentionsSetting(sql: string): boolean {
  return /set_config|pg_settings/i.test(sql) && [sql, ...statementsOf(sql)].some(setsForSession)
}

/** The end of a call says whether its last argument is a literal `true`. */
const parenthesis = /(\bset_config"?\s*)?\(|((?<=,\s*true\s*)\))|\)/gi

/** What PostgreSQL makes a call of `set_config` of. */
const updatesSettings = /\bupdate\s+(?:only\s+)?(?:"?pg_catalog"?\s*\.\s*)?"?pg_settings\b/i

/** Whether a call of `set_config` outlasts its transaction. */
export function setsForSession(sql: string): boolean {
  if (updatesSettings.test(sql)) return true
  /** For each parenthesis that is open, whether it is that of such a call. */
  const calls: boolean[] = []
  for (const [text, call, forTransaction] of sql.matchAll(parenthesis)) {
    if (text.endsWith('(')) calls.push(call !== undefined)
    else if (calls.pop() === true && forTransaction === undefined) return true
  }
  return calls.includes(true)
}
