/**
 * A transaction and, by the same rules, a savepoint. Dead from the moment its end begins, so that nothing meant for it
 * runs after it; and what is not committed is rolled back. What it says to the server is its `frame`: `begin` and `commit`
 * send the first and the last of that and call it back, in `answered` and `failed`; its `contents` end before it does.
 */
import type { Ticket } from '../core/watching/held.ts'
import { refuseLent } from '../core/lease.ts'
import { checkFunction } from '../core/options.ts'
import type { Scope } from '../core/types.ts'
import { begin } from './begin.ts'
import { callAll, commit, whenEnded, type Callback } from './commit.ts'
import { Contents } from './contents.ts'
import { cursor, type Admission, type Cursor, type CursorHost } from './cursor.ts'
import type { CursorArguments } from './cursor-query.ts'
import { ended, Lapse } from './lapse.ts'
import { lockTimedOut, transactionOpen, unexpectedRollback } from './errors.ts'
import { poolOfOne } from './facades.ts'
import { refuseName, savepointFrame, undo, type Frame } from './frame.ts'
import { transactionLock, type LockArguments } from './lock-wait.ts'
import type { Final, Held, Owner, Phase } from './owner.ts'
import type { Session } from './session.ts'
import { either, query } from './submit.ts'
import type { PgQueryConfig, PgQueryOptions, PgQueryResult, PgTransaction } from './types.ts'

const done: Promise<void> = Promise.resolve()

export class Transaction implements PgTransaction, AsyncDisposable, Owner, Held, CursorHost {
  /** The scope that ends it. */
  lender: Scope | undefined = undefined
  /** A part of it failed that cannot be undone alone: it must not commit. */
  doomed: { readonly cause: unknown } | undefined = undefined
  readonly frame: Frame
  /** The one around a savepoint. */
  readonly parent: Transaction | undefined
  readonly #owner: Owner
  readonly #signal: AbortSignal | undefined
  /** `undefined` for a savepoint, and for what a scope begins and lends. */
  readonly #ticket: Ticket | undefined
  #session: Session | undefined
  #phase: Phase = 'open'
  #ending: Promise<void> | undefined = undefined
  #contents: Contents | undefined = undefined
  #closedBy: Scope | undefined = undefined
  #lapse: Lapse | undefined = undefined

  constructor(
    session: Session,
    frame: Frame,
    owner: Owner,
    signal: AbortSignal | undefined,
    ticket?: Ticket,
  ) {
    this.#session = session
    this.frame = frame
    this.#owner = owner
    this.parent = owner instanceof Transaction ? owner : undefined
    this.#signal = signal
    this.#ticket = ticket
    ticket?.held(this)
  }

  get state(): PgTransaction['state'] {
    if (this.#phase === 'committed' || this.#phase === 'rolled back') return this.#phase
    if (this.#phase === 'cut') return 'rolled back'
    return this.#phase === 'unknown' || this.#session?.failed === true ? 'failed' : 'open'
  }

  /** Its abort ends what runs in it, by whichever handle that was sent. */
  get signal(): AbortSignal | undefined {
    const stopped = this.#contents?.stopped ?? this.parent?.signal
    return stopped?.aborted === true ? stopped : this.#signal
  }

  get ending(): boolean {
    return this.#phase !== 'open'
  }

  /** It ended without its handle: nobody who commits has been told. */
  get lapsed(): boolean {
    return this.#lapse !== undefined || this.#phase === 'cut'
  }

  // oxlint-disable-next-line typescript/no-explicit-any -- what a row is, only the statement knows
  query<Row = any>(
    first: string | PgQueryConfig,
    second?: readonly unknown[] | PgQueryOptions,
    third?: PgQueryOptions,
  ): Promise<PgQueryResult<Row>> {
    const session = this.#open
    if (session === undefined) return Promise.reject(this.dead())
    return query(session, first, second, third, this.signal)
  }

  commit(): Promise<void> {
    const session = this.#open
    if (session === undefined) return this.#commitAgain()
    if (this.#contents?.savepoint !== undefined) {
      return Promise.reject(
        transactionOpen(`${this.frame.what} cannot commit`, 'a savepoint of it'),
      )
    }
    if (this.doomed !== undefined) {
      const error = unexpectedRollback(this.doomed.cause)
      return (this.#ending = this.rollback().then(() => Promise.reject(error)))
    }
    // Whatever it was aborted with is passed on.
    if (this.signal?.aborted === true) return Promise.reject(this.signal.reason as Error)
    this.#phase = 'committing'
    return (this.#ending =
      this.#contents === undefined ? commit(this, session) : this.#commit(session, this.#contents))
  }

  rollback(): Promise<void> {
    const session = this.#open
    if (session === undefined) return this.#rollBackAgain()
    this.#phase = 'rolling back'
    return (this.#ending = this.undo(session))
  }

  async savepoint(signal?: AbortSignal): Promise<Transaction> {
    refuseName(signal)
    const session = this.usable()
    this.signal?.throwIfAborted()
    if (this.contents.savepoint !== undefined) throw transactionOpen('A savepoint was begun')
    const savepoint = new Transaction(session, savepointFrame(), this, either(this.signal, signal))
    // Before the first wait: from here on there is something to roll back to.
    this.contents.savepoint = savepoint
    return await begin(savepoint, session)
  }

  cursor<Row>(...parameters: CursorArguments): Cursor<Row> {
    return cursor(this, parameters)
  }

  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- only the caller knows what it needs
  asPool<P>(): P {
    // Typed as whoever asks wants it: what it has is what query builders use of the driver's.
    return poolOfOne(this) as P
  }

  afterCommit(callback: Callback): void {
    this.usable()
    checkFunction('the argument of afterCommit()', callback)
    this.contents.callbacks.push(callback)
  }

  async advisoryLock(...parameters: LockArguments): Promise<void> {
    const taken = await transactionLock(this, parameters, 'advisoryLock()')
    if (!taken) throw lockTimedOut(parameters[0], 0)
  }

  tryAdvisoryLock(...parameters: LockArguments): Promise<boolean> {
    return transactionLock(this, parameters, 'tryAdvisoryLock()')
  }

  /** `scope` ends it from now on. */
  lend(scope: Scope): void {
    this.lender = scope
    this.#ticket?.lend()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.lender === undefined ? this.#dispose() : refuseLent(this.frame.what, this.lender)
  }

  /** @param tells of a COMMIT that was not awaited, and fails */
  #dispose(tells = false): Promise<void> {
    if (this.#phase === 'open') return this.rollback()
    if (this.#lapse?.untold === true) return Promise.reject(this.dead())
    if (this.#session === undefined || this.#ending === undefined) return done
    return whenEnded(this.#session, this.#ending, this.#phase === 'committing', tells)
  }

  /** For what works in the transaction. Throws `ERR_DISPOSED` after its end. */
  usable(): Session {
    const session = this.#open
    if (session === undefined) throw this.dead()
    return session
  }

  /** What it works on, from its beginning to that of its end. */
  get #open(): Session | undefined {
    return this.#phase === 'open' ? this.#session : undefined
  }

  /** Into the innermost savepoint, whose rollback is the end of the cursor; an abort of its signal is not. */
  admit(child: Cursor<unknown>): Admission {
    const session = this.usable()
    const { cursors, savepoint } = this.contents
    if (savepoint !== undefined) return { ...savepoint.admit(child), around: this }
    child.join(cursors)
    return { session, around: this, alone: false }
  }

  /** What a use after its end throws. */
  dead(): Error {
    return this.#lapse?.tell() ?? ended(this.frame.what, this.#phase, this.#closedBy)
  }

  /**
   * For the scope that lent it: until this is over, the connection takes no statement that was meant for it. Not under the
   * name that the driver has for the end of a client.
   */
  async endWith(outcome: 'commit' | 'rollback'): Promise<void> {
    if (this.lapsed && outcome === 'commit') throw this.dead()
    this.#closedBy = this.lender
    if (this.#phase !== 'open') return this.#dispose(outcome === 'commit')
    this.#owner.suspend(this.lender)
    try {
      await this[outcome]()
    } finally {
      await this.#dispose()
      this.#owner.suspend(undefined)
    }
  }

  /** Close its connection now: the server rolls back, or nobody knows, and that is how its COMMIT ends. */
  destroy(error: Error): Promise<void> | undefined {
    const committing = this.#phase === 'committing' ? this.#ending : undefined
    this.#owner.destroy(error)
    return committing
  }

  lapse(end: Final, lapse: Lapse = new Lapse(this.frame.what, end)): void {
    const session = this.#session
    if (session === undefined) return
    this.#contents?.lapse(end, lapse)
    this.finish(end)
    this.#lapse = lapse
    session.line.refuse(() => this.dead())
  }

  /** Its connection is released: whoever does that rolls back, and what is not sent by now must not be. */
  cut(scope: Scope | undefined): void {
    this.#ticket?.released()
    this.#contents?.cut(scope)
    this.#closedBy = scope
    this.#session = undefined
    if (this.#phase === 'open') this.#phase = 'cut'
  }

  /** Whether its connection is still its own. */
  get usesConnection(): boolean {
    return this.#session !== undefined
  }

  /** For its end: roll back, and nothing that waits is sent. */
  async undo(session: Session): Promise<void> {
    this.#contents?.cut(this.#closedBy)
    session.line.refuse(() => this.dead())
    await undo(this.frame, session)
    this.finish('rolled back')
    if (this.state !== 'rolled back') throw this.dead()
  }

  /** For its end, once. */
  finish(phase: Final): void {
    if (this.#lapse !== undefined) return
    this.#session?.over(this)
    this.#phase = phase
    this.#session = undefined
    this.#ticket?.released()
    this.#owner.ended()
  }

  /** Before its commit: the caller runs them after that. */
  takeCallbacks(): readonly Callback[] | undefined {
    return this.#contents?.callbacks.splice(0)
  }

  ended(): void {
    this.contents.leaveSavepoint()
  }

  get contents(): Contents {
    return (this.#contents ??= new Contents())
  }

  suspend(scope: Scope | undefined): void {
    this.#owner.suspend(scope)
  }

  /** What is owed to the commit is done in the context of whoever commits: the answer comes in that of the connection. */
  async #commit(session: Session, contents: Contents): Promise<void> {
    contents.close(this)
    await commit(this, session)
    if (this.parent === undefined) await callAll(contents.callbacks)
  }

  /** Asking twice for the same end is one end; for the other, a mistake. */
  #commitAgain(): Promise<void> {
    const committing = this.#phase !== 'rolling back' && this.#phase !== 'rolled back'
    return committing && this.#ending !== undefined ? this.#ending : Promise.reject(this.dead())
  }

  async #rollBackAgain(): Promise<void> {
    await this.#dispose()
    if (this.state === 'committed' || (this.lapsed && this.state === 'failed')) throw this.dead()
  }
}
