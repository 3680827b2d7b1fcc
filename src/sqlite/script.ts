/** What the text of an SQL script shows of its statements: their words, without comments and quoted text. */
import { expected } from '../core/options.ts'

/** @throws {TypeError} for what is no text: each driver has words of its own for that, or none */
export function checkText(call: string, sql: unknown): void {
  if (typeof sql !== 'string') throw expected(`the SQL given to ${call}`, 'a string', sql)
}

/**
 * What does not end goes on to the end of the text: each character is looked at once. A doubled quote is the end of one,
 * and the beginning of another: a choice for each character would be too much to remember in a text of some megabytes.
 */
const hidden =
  /'[^']*(?:'|$)|"[^"]*(?:"|$)|`[^`]*(?:`|$)|\[[^\]]*(?:\]|$)|--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)/g

/** Has statements of its own, up to its END. */
const trigger = /^(?:explain\s+(?:query\s+plan\s+)?)?create\s+(?:temp(?:orary)?\s+)?trigger\b/i
const end = /^end$/i

const controlling = /^(?:begin|commit|end|rollback|savepoint|release)\b/i
/** Most texts have none of these words. */
const perhaps = /\b(?:begin|commit|end|rollback|savepoint|release)\b/i

/** Whether one of its statements begins or ends a transaction. */
export function controlsTransaction(sql: string): boolean {
  return perhaps.test(sql) && statementsOf(sql).some((statement) => controlling.test(statement))
}

const explained = String.raw`^(?:explain\s+(?:query\s+plan\s+)?)?`
const attaching = new RegExp(`${explained}(?:attach|detach)\\b`, 'i')
const setting = new RegExp(`${explained}pragma\\b[^=(]*[=(]`, 'i')
/** What is given to these is a name or a number, and no setting. */
const asking =
  /\bpragma\s+(?:\w+\s*\.\s*)?(?:table_x?info|table_list|index_x?info|index_list|foreign_key_(?:list|check)|(?:integrity|quick)_check)\s*[=(]/i
/** How such a text begins. Most do not. */
const perhapsSetting = /^[\s;]*(?:pragma|attach|detach|explain|--|\/\*)/i

/** Whether it leaves its connection as another one: with a setting, or another file. An EXPLAIN of it does, too. */
export function changesConnection(sql: string): boolean {
  if (!perhapsSetting.test(sql)) return false
  return statementsOf(sql).some(
    (statement) =>
      attaching.test(statement) || (setting.test(statement) && !asking.test(statement)),
  )
}

/** Whether SQLite counts the rows that it changes; `undefined` for one that begins with WITH, which may do anything. */
export function countsRows(sql: string): boolean | undefined {
  const statement = statementsOf(sql).find((one) => one !== '') ?? ''
  return /^with\b/i.test(statement) ? undefined : counted.test(statement)
}

const counted = /^(?:insert|replace|update|delete)\b/i

function statementsOf(sql: string): string[] {
  let inTrigger = false
  return sql
    .replaceAll(hidden, ' ')
    .split(';')
    .map((part) => part.trim())
    .filter((part) => {
      const inside = inTrigger
      inTrigger = inside ? !end.test(part) : trigger.test(part)
      return !inside
    })
}
