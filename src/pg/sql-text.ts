/** A text of SQL as far as its words mean something: without comments and quoted text, but for names of one word. */

/** What a comment or quoted text begins with. */
const opening = /--|\/\*|\be'|['"]|(?<![\w$])\$(?:[a-z_]\w*)?\$/gi

/** What it ends with, where that is not the same. */
const closings = new Map([
  ['--', '\n'],
  ['/*', '*/'],
])

/** Functions are called by it as by one without quotes. */
const name = /^"\w+"$/

const inEscaped = /\\[\s\S]|''|'/g

export function statementsOf(sql: string): string[] {
  const statements = wordsOf(sql).split(';')
  return statements.map((statement) => statement.trim()).filter((statement) => statement !== '')
}

/** Piece by piece: a pattern for all of it runs out of memory in a literal of some megabytes. */
function wordsOf(sql: string): string {
  let words = ''
  let at = 0
  for (;;) {
    opening.lastIndex = at
    const opened = opening.exec(sql)
    if (opened === null) return words + sql.slice(at)
    const [mark] = opened
    const end = endOfQuoted(sql, mark, opening.lastIndex)
    words += `${sql.slice(at, opened.index)} `
    if (mark === '"') words += name.exec(sql.slice(opened.index, end))?.[0] ?? ''
    at = end
  }
}

/** What does not end goes on to the end of the text. A doubled quote is the end of one, and the beginning of another. */
function endOfQuoted(sql: string, mark: string, from: number): number {
  if (mark.toLowerCase() === "e'") return endOfEscaped(sql, from)
  const closing = closings.get(mark) ?? mark
  const at = sql.indexOf(closing, from)
  return at === -1 ? sql.length : at + closing.length
}

function endOfEscaped(sql: string, from: number): number {
  inEscaped.lastIndex = from
  let found: string | undefined
  do found = inEscaped.exec(sql)?.[0]
  while (found !== undefined && found !== "'")
  return found === undefined ? sql.length : inEscaped.lastIndex
}

/** Texts in which nothing was found: most are sent again, and looking costs more than remembering. */
export class PlainTexts {
  readonly #texts = new Set<string>()

  has(sql: string): boolean {
    return this.#texts.has(sql)
  }

  add(sql: string): void {
    if (sql.length > remembered.length) return
    if (this.#texts.size >= remembered.texts) this.#texts.clear()
    this.#texts.add(sql)
  }
}

const remembered = { texts: 500, length: 1_000 }
