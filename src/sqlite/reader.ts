/**
 * A connection on loan, for reading. Its release closes the iterators that were opened through it.
 */
import type { Ticket } from '../core/watching/held.ts'
import { lentError } from '../core/lease.ts'
import type { Scope } from '../core/types.ts'
import type { Connection, Prepared } from './connection.ts'
import { misuse, quoted, released, settingShared } from './errors.ts'
import { changesConnection } from './script.ts'
import { Statement, type Session } from './statement.ts'
import type { SqliteReader, SqliteStatement } from './types.ts'

export class ReaderLease implements Session {
  /** The scope that lends it. */
  lender: Scope | undefined = undefined
  /** Of whoever owns it. */
  ticket: Ticket | undefined = undefined
  readonly #file: string
  /** Whether its connection is that of the writer, and of all others who read. */
  readonly #shared: boolean
  readonly #giveBack: (changed: boolean) => void
  #connection: Connection | undefined
  #changed = false

  /** @param giveBack told whether the next reader must not find the connection as it is */
  constructor(connection: Connection, shared: boolean, giveBack: (changed: boolean) => void) {
    this.#file = connection.file
    this.#connection = connection
    this.#shared = shared
    this.#giveBack = giveBack
  }

  get over(): boolean {
    return this.#connection === undefined
  }

  prepare<Row>(sql: string): SqliteStatement<Row> {
    // Before it is prepared: some settings are made by that.
    if (changesConnection(sql)) this.#change(sql)
    if (this.admit(sql).readonly) return new Statement<Row>(this, sql)
    throw misuse(
      `${quoted(sql)} writes, and a reader of "${this.#file}" only reads. Use begin(), write() or transaction().`,
    )
  }

  admit(sql: string): Prepared {
    if (this.#connection !== undefined) return this.#connection.prepared(sql)
    throw released(`The reader of "${this.#file}"`, this.lender)
  }

  failed(error: unknown): unknown {
    return this.#connection === undefined ? error : this.#connection.failed(error)
  }

  dispose(): void {
    const connection = this.#connection
    if (connection === undefined) return
    connection.closeCursors('its reader was released', this)
    this.#connection = undefined
    this.ticket?.released()
    this.#giveBack(this.#changed)
  }

  #change(sql: string): void {
    if (this.#shared && !this.over) throw settingShared(sql, this.#file)
    this.#changed = true
  }
}

/** A lease in the hands of its user. */
export class ReaderHandle implements SqliteReader, AsyncDisposable {
  readonly #lease: ReaderLease

  constructor(lease: ReaderLease) {
    this.#lease = lease
  }

  prepare<Row>(sql: string): SqliteStatement<Row> {
    return this.#lease.prepare(sql)
  }

  /** For the scope that lends it. */
  static end(lent: SqliteReader): void {
    if (#lease in lent) lent.#lease.dispose()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { lender } = this.#lease
    if (lender !== undefined) throw lentError('The SQLite reader', lender)
    this.#lease.dispose()
  }
}
