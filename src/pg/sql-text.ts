/** A text of SQL as far as its words mean something: without comments and quoted text, one statement after another. */

/** What does not end goes on to the end of the text: each character is looked at once. */
const quoted =
  /--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|\be'(?:\\[\s\S]|''|[^'\\])*(?:'|$)|'(?:''|[^'])*(?:'|$)|"(?:""|[^"])*(?:"|$)|(?<![\w$])\$((?:[a-z_]\w*)?)\$[\s\S]*?(?:\$\1\$|$)/gi

export function statementsOf(sql: string): string[] {
  const statements = sql.replaceAll(quoted, ' ').split(';')
  return statements.map((statement) => statement.trim()).filter((statement) => statement !== '')
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
