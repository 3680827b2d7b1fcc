/**
 * Who wrote what in which transaction, and what has to be found of it in the end. Each row has a tag of its own, and
 * the server says in which transaction, and in which part of it, it was written.
 */
import assert from 'node:assert/strict'

import type { Rows } from './database.ts'

/** What became of a transaction or of a part of it, as far as its holder was told. */
type Fate = 'open' | 'committed' | 'rolled back' | 'unknown'

export interface Part {
  readonly name: string
  readonly within: Part | undefined
  fate: Fate
  /** Of the whole transaction, once something was answered in it. */
  xid: string | undefined
}

interface Row {
  readonly tag: string
  readonly xid: string
  /** Of the part of it. */
  readonly sub: string
  /** `undefined` for a statement of the lease itself. */
  readonly by: Part | undefined
}

export class Ledger {
  readonly log: string[] = []
  /** Somebody asked for one: a statement can be in it that was not meant for it. */
  savepoints = false
  /** Somebody sent a COMMIT by text, which may have ended a transaction that was not meant. */
  commits = false
  readonly #table: string
  readonly #name: string
  readonly #parts: Part[] = []
  readonly #rows: Row[] = []
  #count = 0

  constructor(table: string, name: string) {
    this.#table = table
    this.#name = name
  }

  begun(name: string, within?: Part): Part {
    const part: Part = { name: this.#next(name), within, fate: 'open', xid: undefined }
    this.#parts.push(part)
    return part
  }

  async write(by: Part | undefined, host: Rows, after = 0): Promise<void> {
    const tag = this.#next(by?.name ?? 'lease')
    const sleep = after > 0 ? ` from pg_sleep(${after})` : ''
    const { rows } = await host.query(
      `insert into ${this.#table} select '${tag}'${sleep}
       returning xmin::text as sub, pg_current_xact_id()::text as xid`,
    )
    const row: Row = { tag, xid: String(rows[0]?.['xid']), sub: String(rows[0]?.['sub']), by }
    this.log.push(`${tag} in ${row.xid}, ${row.sub}`)
    this.#rows.push(row)
    if (by !== undefined) sameWhole(by, row)
  }

  /** @param found the tags of all rows */
  check(found: ReadonlySet<string>): void {
    for (const row of this.#rows) {
      const expected = this.#expected(row)
      if (expected === undefined) continue
      const { tag, xid, sub } = row
      const told = `${tag}, written in ${xid} and ${sub}, is ${expected ? 'lost' : 'there'}`
      if (found.has(tag) !== expected) assert.fail(`${told}\n${this.tell()}`)
    }
  }

  tell(): string {
    const parts = this.#parts.map(({ name, fate, xid }) => `${name} in ${xid}: ${fate}`)
    return [this.#name, ...this.log, ...parts].join('\n  ')
  }

  /** Whether it has to be there; `undefined` where nobody can tell. */
  #expected({ by, xid, sub }: Row): boolean | undefined {
    const own = xid === sub || !this.savepoints
    if (by !== undefined) return this.#fateOf(by, own || by.within !== undefined)
    const whole = this.#parts.find((part) => part.within === undefined && part.xid === xid)
    if (whole !== undefined) return this.#fateOf(whole, own)
    const hidden = this.#parts.some((part) => part.xid === undefined && part.fate !== 'committed')
    return hidden ? undefined : true
  }

  /** @param own whether it was not written in a savepoint of somebody else's */
  #fateOf(part: Part, own: boolean): boolean | undefined {
    let known: boolean | undefined = own ? true : undefined
    for (let at: Part | undefined = part; at !== undefined; at = at.within) {
      if (at.fate === 'rolled back') return false
      if (at.fate === 'open' && !this.commits) return false
      if (at.fate !== 'committed') known = undefined
    }
    return known
  }

  #next(name: string): string {
    return `${this.#name}.${name}.${(this.#count += 1)}`
  }
}

function sameWhole(part: Part, { tag, xid }: Row): void {
  for (let at: Part | undefined = part; at !== undefined; at = at.within) {
    at.xid ??= xid
    assert.equal(at.xid, xid, `${tag} ran in another transaction than what ${at.name} did before`)
  }
}
