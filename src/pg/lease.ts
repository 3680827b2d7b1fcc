/**
 * A connection that is one's own until it is released. The handle is dead from that moment on, although the pool may
 * have given the connection to somebody else; the connection goes back as the next holder must find it, or not at all.
 */
import { tellsActivity } from '../core/watching/activity.ts'
import { Kind, ticketFor, type Ticket } from '../core/watching/held.ts'
import { closingScope, disposedError, refuseLent } from '../core/lease.ts'
import { scopeClosed } from '../core/misuse.ts'
import type { Scope } from '../core/types.ts'
import { begin } from './begin.ts'
import type { Link } from './chain.ts'
import { cursor, type Admission, type Cursor, type CursorHost } from './cursor.ts'
import type { CursorArguments } from './cursor-query.ts'
import { doing } from './doing.ts'
import { interrupt, quieten, restore } from './ending.ts'
import { cursorOpen, transactionOpen } from './errors.ts'
import { poolOfOne } from './facades.ts'
import { transactionFrame } from './frame.ts'
import type { Lessor } from './lessor.ts'
import { advisoryLock, tryAdvisoryLock, type Lock, type LockHost } from './lock.ts'
import type { LockArguments } from './lock-wait.ts'
import type { Owner } from './owner.ts'
import type { Policy } from './policy.ts'
import type { Session } from './session.ts'
import { query } from './submit.ts'
import { Transaction } from './transaction.ts'
import type {
  PgLease,
  PgQueryConfig,
  PgQueryOptions,
  PgQueryResult,
  PgTransactionOptions,
} from './types.ts'

const done: Promise<void> = Promise.resolve()
const what = 'The PostgreSQL connection'
const transactionKind = new Kind('pg.transaction')

export class Lease implements PgLease, AsyncDisposable, Owner, CursorHost, LockHost, Link<Lease> {
  next: Lease | undefined = undefined
  previous: Lease | undefined = undefined
  /** In which it was acquired. */
  scope: Scope | undefined = undefined
  /** The scope that releases it. */
  lender: Scope | undefined = undefined
  readonly #ticket: Ticket | undefined
  /** `undefined` once released. */
  #session: Session | undefined
  /** What is being released. */
  #leaving: Session | undefined = undefined
  #releasing: Promise<void> | undefined = undefined
  #transaction: Transaction | undefined = undefined
  /** Outside of a transaction: the one that is open has the connection to itself. */
  #cursors: Set<Cursor<unknown>> | undefined = undefined
  #locks: Set<Lock> | undefined = undefined
  /** The scope that closes it, or the transaction in it. */
  #closedBy: Scope | undefined = undefined
  readonly #lessor: Lessor

  static {
    tellsActivity(this, (lease) => lease.#session && doing(lease.#session))
  }

  constructor(session: Session, lessor: Lessor, ticket: Ticket | undefined) {
    this.#session = session
    this.#ticket = ticket
    ticket?.held(this)
    this.#lessor = lessor
  }

  get disposed(): boolean {
    return this.#session === undefined
  }

  /** It has a connection, and not only the handle of one that was lost. */
  get connected(): boolean {
    return (this.#session ?? this.#leaving)?.lost === false
  }

  // oxlint-disable-next-line typescript/no-explicit-any -- what a row is, only the statement knows
  query<Row = any>(
    first: string | PgQueryConfig,
    second?: readonly unknown[] | PgQueryOptions,
    third?: PgQueryOptions,
  ): Promise<PgQueryResult<Row>> {
    try {
      return query(this.free(), first, second, third, this.#transaction?.signal)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** @param lent by a scope, which tells of it */
  begin(options?: PgTransactionOptions, lent = false): Promise<Transaction> {
    try {
      const session = this.free()
      const frame = transactionFrame(options)
      options?.signal?.throwIfAborted()
      if (this.#transaction !== undefined || session.inTransaction) {
        throw transactionOpen('A transaction was begun')
      }
      const ticket = lent ? undefined : ticketFor(transactionKind)
      // Before the first wait: from here on there is something to roll back.
      this.#transaction = new Transaction(session, frame, this, options?.signal, ticket)
      return begin(this.#transaction, session)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  cursor<Row>(...parameters: CursorArguments): Cursor<Row> {
    return cursor(this, parameters)
  }

  advisoryLock(...parameters: LockArguments): Promise<Lock> {
    return advisoryLock(this, parameters)
  }

  tryAdvisoryLock(...parameters: LockArguments): Promise<Lock | undefined> {
    return tryAdvisoryLock(this, parameters)
  }

  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- only the caller knows what it needs
  asPool<P>(): P {
    // Typed as whoever asks wants it: what it has is what query builders use of the driver's.
    return poolOfOne(this) as P
  }

  async cancel(): Promise<void> {
    const session = this.usable()
    session.line.refuse(cancelled, true)
    await session.exclusively(() => interrupt(session))
  }

  markDirty(): void {
    this.usable().changes.dirty = true
  }

  unsafeClient(): unknown {
    const session = this.usable()
    session.changes.noteUnsafe()
    return session.client
  }

  [Symbol.asyncDispose](): Promise<void> {
    if (this.lender !== undefined) return refuseLent(what, this.lender)
    return this.releaseBy(undefined)
  }

  /** `scope` releases it from now on. */
  lend(scope: Scope): void {
    this.lender = scope
    this.#ticket?.lend()
  }

  /**
   * The same as disposing. Not under the name that the driver has for it: who calls that ends what a scope lends.
   * @param scope the one that lent it, and closes
   * @param inFlight instead of the pool's
   */
  releaseBy(scope: Scope | undefined, inFlight?: Policy['inFlight']): Promise<void> {
    const session = this.#session
    if (session === undefined) return this.#releasing ?? done
    this.#cut(session, scope ?? closingScope())
    if (session.clean && !this.#mayHoldLocks) {
      this.#giveBack(session)
      return done
    }
    this.#releasing = this.#restore(session, inFlight ?? session.policy.inFlight)
    return this.#releasing
  }

  /** Close the connection now, whatever runs in it. */
  destroy(error: Error): void {
    const session = this.#session ?? this.#leaving
    if (session === undefined) return
    if (this.#session !== undefined) this.#cut(session, this.lender ?? closingScope())
    session.line.refuse(() => this.dead())
    session.destroy(error)
    this.#giveBack(session)
  }

  /**
   * For what works on the connection.
   * @throws `ERR_DISPOSED`
   */
  usable(): Session {
    if (this.#session === undefined || this.#closedBy !== undefined) throw this.dead()
    return this.#session
  }

  /** Into the transaction, where one is open. */
  admit(child: Cursor<unknown>): Admission {
    const session = this.free()
    if (this.#transaction !== undefined) return this.#transaction.admit(child)
    child.join((this.#cursors ??= new Set()))
    return { session, around: undefined, alone: true }
  }

  /** What a use after its release throws. */
  dead(): Error {
    const scope = this.#closedBy
    return disposedError(what, scope && scopeClosed(scope, 'A statement', undefined))
  }

  /** As `usable`, and no cursor has it to itself. */
  free(): Session {
    const session = this.usable()
    if (this.#cursors !== undefined && [...this.#cursors].some(({ open }) => open)) {
      throw cursorOpen()
    }
    return session
  }

  /** The one that is open. */
  get transaction(): Transaction | undefined {
    return this.#transaction
  }

  /** They are given back before its connection is. */
  get locks(): Set<Lock> {
    return (this.#locks ??= new Set())
  }

  get #mayHoldLocks(): boolean {
    return this.#locks !== undefined && this.#locks.size > 0
  }

  ended(): void {
    this.#transaction = undefined
  }

  suspend(scope: Scope | undefined): void {
    if (this.#session !== undefined) this.#closedBy = scope
  }

  #cut(session: Session, scope: Scope | undefined): void {
    this.#session = undefined
    this.#leaving = session
    this.#closedBy = scope
    this.#ticket?.released()
    this.#transaction?.cut(scope)
    this.#cursors?.forEach((open) => open.cut())
    this.#locks?.forEach((lock) => lock.cut())
  }

  async #restore(session: Session, inFlight: Policy['inFlight']): Promise<void> {
    session.line.refuse(() => this.dead())
    await session.exclusively(async () => {
      await quieten(session, inFlight)
      for (const lock of [...(this.#locks ?? [])].toReversed()) await lock.leave(session)
      await restore(session)
      // Before anybody else has a turn: what is left to do for this lease must not be done to the next.
      this.#giveBack(session)
    })
    // Where the connection was taken away meanwhile.
    this.#giveBack(session)
  }

  #giveBack(session: Session): void {
    if (this.#leaving === undefined) return
    this.#leaving = undefined
    this.scope = undefined
    this.#lessor.returned(this)
    session.giveBack()
  }
}

function cancelled(): DOMException {
  return new DOMException('The statement was cancelled before it was sent.', 'AbortError')
}
