/**
 * Rows in batches, from a cursor that the server keeps. Nothing but statements is sent, so that a cancel, a broken
 * connection and a release do to it what they do to any statement; and a failure is never an empty page.
 */
import { ignore } from '../core/dispose.ts'
import { disposedError } from '../core/lease.ts'
import { expected } from '../core/options.ts'
import { commitDirectly } from './commit.ts'
import {
  cursorQuery,
  declarable,
  rowCount,
  type CursorArguments,
  type CursorQuery,
} from './cursor-query.ts'
import { CursorRows } from './cursor-rows.ts'
import { idle, quietOrLost, quieten, rollBack } from './ending.ts'
import { connectionLost } from './errors.ts'
import { cutOff } from './lapse.ts'
import type { Session } from './session.ts'
import { Statement } from './statement.ts'
import { checkText, control, submit } from './submit.ts'
import { Turns } from './turns.ts'
import type { PgCursor } from './held-types.ts'
import type { PgQueryConfig, PgQueryResult } from './types.ts'

/** The lease or the transaction that a cursor belongs to. */
export interface CursorHost {
  /** @throws `ERR_DISPOSED` */
  usable(): Session
  /**
   * The cursor starts: from here on it ends with what admits it.
   * @throws where that has ended already, and where another cursor has the connection to itself
   */
  admit(cursor: Cursor<unknown>): Admission
  /** What a use after its end throws. */
  dead(): Error
}

export interface Admission {
  readonly session: Session
  /** The transaction, whose signal may come to be another one. */
  readonly around: { readonly signal: AbortSignal | undefined } | undefined
  /** No transaction is open, and nothing else runs on the connection until the cursor is over. */
  readonly alone: boolean
}

/**
 * - `new`: nothing was sent
 * - `open`: there may be a cursor on the server
 * - `done`: all rows were fetched
 * - `failed`: a statement of it failed, and every read from now on does
 * - `closed`: left before its end, or ended by its host
 */
type State = 'new' | 'open' | 'done' | 'failed' | 'closed'

let cursors = 0

export function cursor<Row>(host: CursorHost, parameters: CursorArguments): Cursor<Row> {
  host.usable()
  return new Cursor<Row>(host, cursorQuery(parameters))
}

export class Cursor<Row> implements PgCursor<Row>, AsyncDisposable {
  readonly host: CursorHost
  /** Those that end with what admitted it. */
  #among: Set<Cursor<unknown>> | undefined = undefined
  readonly #query: CursorQuery
  readonly #name: string
  #state: State = 'new'
  #admission: Admission | undefined = undefined
  /** How many rollbacks there were before. */
  #declared: number | undefined = undefined
  /** Began a transaction, which ends with it, and has not ended yet. */
  #began = false
  /** What is sent, or waits for its turn. */
  #statement: Statement | undefined = undefined
  /** Fetched and not read: the rows of what cannot be declared. */
  #rows: Row[] = []
  #failure: unknown = undefined
  #why: (() => Error) | undefined = undefined
  #closing: Promise<void> | undefined = undefined
  readonly #reads = new Turns()

  constructor(host: CursorHost, query: CursorQuery) {
    cursors += 1
    this.host = host
    this.#query = query
    this.#name = `unwind_cursor_${cursors}`
  }

  /** It has the connection, and is not about to leave it. */
  get open(): boolean {
    return this.#admission !== undefined && this.#closing === undefined
  }

  read(count: number): Promise<Row[]> {
    if (!rowCount.accepts(count)) {
      return Promise.reject(expected('the argument of read()', rowCount.expected, count))
    }
    return this.#reads.take(() => this.#read(count))
  }

  [Symbol.asyncIterator](): AsyncIterator<Row, undefined> {
    return new CursorRows<Row>(
      () => this.read(this.#query.batch),
      () => this.close(),
    )
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** What it has on the server is gone before the next statement runs. A second call waits for the first. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** It ends with those from now on, and with no others. */
  join(others: Set<Cursor<unknown>> | undefined): void {
    this.#among?.delete(this)
    this.#among = others
    others?.add(this)
  }

  /** What admitted it ends, and with that what it has on the server: nothing of it is sent any more. */
  cut(): void {
    this.#shut(() => cutOff(this.host))
    if (this.#statement !== undefined) this.#disown(this.#statement, this.#admission?.session)
    this.#leaveHost()
  }

  async #read(count: number): Promise<Row[]> {
    if (this.#state === 'failed') throw this.#failure
    if (this.#state === 'closed') throw this.#dead()
    try {
      if (this.#state === 'new') await this.#open()
      // The compiler believes in the state that was seen before the wait.
      const state = this.#state as State
      if (state === 'open') return await this.#fetch(count)
      // It has no rows any more, and that is not their end.
      if (state === 'closed') throw this.#dead()
      return this.#take(count)
    } catch (error) {
      await this.#fail(error)
      throw error
    }
  }

  async #open(): Promise<void> {
    const { text, values, format } = this.#query
    const { session, alone } = (this.#admission = this.host.admit(this))
    const { calledOff } = session.line
    this.#state = 'open'
    checkText(session, text)
    // The driver sends it as one statement, whatever it holds.
    const extended = { queryMode: 'extended', ...(values && { values }) }
    if (!declarable(text)) return this.#runWhole({ ...format, ...extended, text })
    if (alone) await idle(session)
    if (alone && !session.inTransaction) {
      this.#began = true
      await this.#send('BEGIN')
    }
    await this.#send({ ...extended, text: `DECLARE ${this.#name} NO SCROLL CURSOR FOR ${text}` })
    this.#declared = session.rollbacks
    // It came before there were rows to wait for, and was meant for them.
    if (session.line.calledOff !== calledOff) throw session.line.calledOff?.why()
  }

  async #runWhole(config: PgQueryConfig): Promise<void> {
    this.#rows = (await this.#send(config)).rows
    await this.#finish()
  }

  async #fetch(count: number): Promise<Row[]> {
    const text = `FETCH ${count} FROM ${this.#name}`
    const { rows } = await this.#send({ ...this.#query.format, text })
    if (rows.length < count) await this.#finish()
    return rows
  }

  #take(count: number): Row[] {
    const taken = this.#rows.slice(0, count)
    this.#rows = this.#rows.slice(count)
    return taken
  }

  async #send(text: string | PgQueryConfig): Promise<PgQueryResult<Row>> {
    const admission = this.#admission
    if (this.#state !== 'open' || admission === undefined) throw this.#dead()
    const statement = new Statement(text, undefined, false)
    this.#statement = statement
    submit(admission.session, statement, this.#query.signal, admission.around?.signal)
    try {
      // One statement, one result. What a row is, only the caller knows.
      return (await statement.promise) as PgQueryResult<Row>
    } finally {
      this.#statement = undefined
    }
  }

  /** All rows are here. */
  async #finish(): Promise<void> {
    const session = this.#admission?.session
    if (this.#state === 'open') {
      // Before the wait: a dispose in it is one after the end, and ends nothing twice.
      this.#state = 'done'
      await this.#endOnServer()
    }
    // Its connection was taken away first, and what the query did besides is undone.
    if (this.#began) throw this.#why?.() ?? connectionLost(session?.loss)
  }

  async #fail(error: unknown): Promise<void> {
    // Where it never started, it may be tried again.
    if (this.#state === 'new' || this.#state === 'closed') return
    this.#state = 'failed'
    this.#failure = error
    await this.#endOnServer()
  }

  async #close(): Promise<void> {
    // What is over leaves the server by itself; what is new is not to start.
    if (this.#state !== 'new' && this.#state !== 'open') await this.#reads.done
    this.#shut(() => disposedError('The cursor'))
    await this.#endOnServer()
  }

  /** It failed, all rows are here, or nobody wants them. */
  async #endOnServer(): Promise<void> {
    const { session } = this.#admission ?? {}
    if (session === undefined) return
    try {
      // Nothing else gets in before the end of a transaction of its own, nor behind what is waited for or cancelled.
      const holds = this.#began || this.#statement?.sent === true
      if (holds) await session.exclusively(() => this.#leave(session))
      else await this.#leave(session)
    } finally {
      this.#leaveHost()
    }
  }

  #leaveHost(): void {
    this.#admission = undefined
    this.join(undefined)
  }

  async #leave(session: Session): Promise<void> {
    if (this.#statement !== undefined) await this.#withdraw(this.#statement, session)
    if (this.#began) await this.#endTransaction(session)
    else this.#closeInTurn(session)
  }

  /** Whoever reads is told why. */
  async #withdraw(statement: Statement, session: Session): Promise<void> {
    const inFlight = (!this.#began && this.#query.inFlight) || session.policy.inFlight
    this.#disown(statement, session)
    if (statement.sent) {
      await session.afterInterrupt()
      if (session.line.running === statement) await quieten(session, inFlight)
    }
    await this.#reads.done
  }

  /** What waits is not sent. */
  #disown(statement: Statement, session: Session | undefined): void {
    statement.disown(() => this.#dead())
    if (statement.sent) return
    session?.line.remove(statement)
    statement.reject(this.#dead())
  }

  /** The line is held; what was sent before, as the end of a lock, is answered first. */
  async #endTransaction(session: Session): Promise<void> {
    await quietOrLost(session)
    // Whoever has all rows counts on what the query did besides.
    const commits = this.#state === 'done' || (this.#state === 'closed' && !session.failed)
    await (commits ? commitDirectly(session, 'The transaction of the cursor') : rollBack(session))
    this.#began = false
  }

  /** Nobody waits for it: what runs already may take long. Where it fails, its transaction is over. */
  #closeInTurn(session: Session): void {
    // It may be gone with a savepoint; and without its admission, the connection may be somebody else's.
    if (this.#declared !== session.rollbacks || session.failed || !this.#admission) return
    control(session, `CLOSE ${this.#name}`).promise.catch(ignore)
  }

  #shut(why: () => Error): void {
    this.#state = 'closed'
    this.#rows = []
    this.#why ??= why
  }

  #dead(): Error {
    return this.#why === undefined ? this.host.dead() : this.#why()
  }
}
