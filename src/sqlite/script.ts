/** What the text of a script shows of its statements: their words, without comments and quoted text. */

/** What does not end goes on to the end of the text: each character is looked at once. */
const hidden =
  /'(?:''|[^'])*(?:'|$)|"(?:""|[^"])*(?:"|$)|`(?:``|[^`])*(?:`|$)|\[[^\]]*(?:\]|$)|--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)/g

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
