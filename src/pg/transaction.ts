/**
 * A transaction and, by the same rules, a savepoint. Dead from the moment its end begins, so that nothing meant for it
 * runs after it; and what is not committed is rolled back.
 */
import { suppress } from '../core/dispose.ts'
import { disposedError } from '../core/lease.ts'
import { scopeClosed } from '../core/misuse.ts'
import { expected } from '../core/options.ts'
import type { Scope } from '../core/types.ts'
import type { DriverResult } from './driver.ts'
import { commitUnknown, isServerError, rolledBack, transactionOpen } from './errors.ts'
import { savepointFrame, type Frame } from './frame.ts'
import type { Session } from './session.ts'
import type { Statement } from './statement.ts'
import { within } from './time.ts'
import type { PgQueryConfig, PgQueryOptions, PgQueryResult, PgTransaction } from './types.ts'

/** Whose transaction it is: a lease's, or that of the transaction around a savepoint. */
export interface Owner {
  /** The next one may begin. */
  ended(): void
  /** Refuse statements from now on, because `scope` closes what it had lent; `undefined`: no longer. */
  suspend(scope: Scope | undefined): void
  destroy(error: Error): void
}

/** `unknown`: the connection was lost during COMMIT. */
type Phase = 'open' | 'committing' | 'rolling back' | 'committed' | 'rolled back' | 'unknown'

export class Transaction implements PgTransaction, AsyncDisposable, Owner {
  /** The scope that ends it. */
  lender: Scope | undefined = undefined
  readonly #frame: Frame
  readonly #owner: Owner
  readonly #parent: Transaction | undefined
  readonly #signal: AbortSignal | undefined
  readonly #callbacks: (() => unknown)[] = []
  #session: Session | undefined
  #phase: Phase = 'open'
  #ending: Promise<void> | undefined = undefined
  #savepoint: Transaction | undefined = undefined
  #closedBy: Scope | undefined = undefined

  constructor(
    session: Session,
    frame: Frame,
    owner: Owner,
    parent: Transaction | undefined,
    signal: AbortSignal | undefined,
  ) {
    this.#session = session
    this.#frame = frame
    this.#owner = owner
    this.#parent = parent
    this.#signal = signal
  }

  get state(): PgTransaction['state'] {
    if (this.#phase === 'committed' || this.#phase === 'rolled back') return this.#phase
    return this.#phase === 'unknown' || this.#session?.failed === true ? 'failed' : 'open'
  }

  /** Begin. What fails here leaves nothing open. */
  async start(session: Session): Promise<this> {
    const statement = session.control(this.#frame.begin)
    try {
      await statement.promise
    } catch (error) {
      // Whether it begins after all, nobody will say.
      if (statement.sent && !isServerError(error)) session.destroy(begunUnseen(error))
      this.#finish('rolled back')
      throw error
    }
    if (this.#parent === undefined) session.failure = undefined
    if (this.#phase !== 'open') throw this.#dead()
    if (this.#signal?.aborted === true) {
      await this.rollback()
      throw this.#signal.reason
    }
    return this
  }

  // oxlint-disable-next-line typescript/no-explicit-any -- what a row is, only the statement knows
  query<Row = any>(
    first: string | PgQueryConfig,
    second?: readonly unknown[] | PgQueryOptions,
    third?: PgQueryOptions,
  ): Promise<PgQueryResult<Row>> {
    if (this.#session === undefined || this.#phase !== 'open') return Promise.reject(this.#dead())
    return this.#session.query(first, second, third, this.#signal)
  }

  commit(): Promise<void> {
    const session = this.#session
    if (this.#phase !== 'open' || session === undefined) return this.#commitAgain()
    if (this.#savepoint !== undefined) {
      return Promise.reject(transactionOpen(`${this.#frame.what} cannot commit`))
    }
    if (this.#signal?.aborted === true) return rejected(this.#signal)
    this.#phase = 'committing'
    this.#ending = this.#commit(session)
    return this.#ending
  }

  rollback(): Promise<void> {
    const session = this.#session
    if (this.#phase !== 'open' || session === undefined) return this.#rollBackAgain()
    this.#phase = 'rolling back'
    this.#ending = this.#rollBack(session)
    return this.#ending
  }

  async savepoint(): Promise<Transaction> {
    const session = this.#session
    if (session === undefined || this.#phase !== 'open') throw this.#dead()
    this.#signal?.throwIfAborted()
    if (this.#savepoint !== undefined) throw transactionOpen('A savepoint was begun')
    const savepoint = new Transaction(session, savepointFrame(), this, this, this.#signal)
    // Before the first wait: from here on there is something to roll back to.
    this.#savepoint = savepoint
    return await savepoint.start(session)
  }

  afterCommit(callback: () => unknown): void {
    if (typeof callback !== 'function') {
      throw expected('the argument of afterCommit()', 'a function', callback)
    }
    if (this.#phase !== 'open') throw this.#dead()
    this.#callbacks.push(callback)
  }

  [Symbol.asyncDispose](): Promise<void> {
    if (this.#phase === 'open') return this.rollback()
    return (this.#ending ?? Promise.resolve()).then(ignore, ignore)
  }

  /** For the scope that lent it: until this is over, the connection takes no statement that was meant for it. */
  async end(outcome: 'commit' | 'rollback'): Promise<void> {
    this.#closedBy = this.lender
    if (this.#phase !== 'open') return this[Symbol.asyncDispose]()
    this.#owner.suspend(this.lender)
    try {
      await this[outcome]()
    } finally {
      await this[Symbol.asyncDispose]()
      this.#owner.suspend(undefined)
    }
  }

  /** Close its connection now: the server rolls back. */
  destroy(error: Error): void {
    this.#owner.destroy(error)
  }

  /** Its connection is released: whoever does that rolls back. */
  cut(scope: Scope | undefined): void {
    this.#savepoint?.cut(scope)
    this.#closedBy = scope
    if (this.#phase !== 'open') return
    this.#phase = 'rolled back'
    this.#session = undefined
  }

  ended(): void {
    this.#savepoint = undefined
  }

  suspend(scope: Scope | undefined): void {
    this.#owner.suspend(scope)
  }

  async #commit(session: Session): Promise<void> {
    const statement = session.control(this.#frame.commit)
    let result: DriverResult
    try {
      result = await statement.promise
    } catch (error) {
      throw await this.#notCommitted(session, statement, error)
    }
    if ('command' in result && result.command === 'ROLLBACK') {
      this.#finish('rolled back')
      throw rolledBack(this.#frame.what, session.failure)
    }
    this.#finish('committed')
    if (this.#parent === undefined) await callAll(this.#callbacks)
    else this.#parent.#callbacks.push(...this.#callbacks)
  }

  /** @returns what to throw */
  async #notCommitted(session: Session, statement: Statement, error: unknown): Promise<unknown> {
    if (this.#parent !== undefined) return this.#notReleased(session, error)
    const unknown = statement.sent && !(await isFinal(session, error))
    this.#finish(unknown ? 'unknown' : 'rolled back')
    return unknown ? commitUnknown(error) : error
  }

  async #notReleased(session: Session, error: unknown): Promise<unknown> {
    const { failure } = session
    await this.#rollBack(session)
    const refused = isServerError(error) && error.code === '25P02'
    return refused ? rolledBack(this.#frame.what, failure) : error
  }

  async #rollBack(session: Session): Promise<void> {
    this.#savepoint?.cut(this.#closedBy)
    session.line.refuse(() => this.#dead())
    await session.exclusively(() => this.#frame.rollBack(session))
    this.#finish('rolled back')
  }

  /** Asking twice for the same end is one end; for the other, a mistake. */
  #commitAgain(): Promise<void> {
    const committing = this.#phase !== 'rolling back' && this.#phase !== 'rolled back'
    return committing && this.#ending !== undefined ? this.#ending : Promise.reject(this.#dead())
  }

  async #rollBackAgain(): Promise<void> {
    await this[Symbol.asyncDispose]()
    if (this.#phase === 'committed') throw this.#dead()
  }

  #finish(phase: 'committed' | 'rolled back' | 'unknown'): void {
    this.#phase = phase
    this.#session = undefined
    this.#owner.ended()
  }

  #dead(): Error {
    const cause = this.#closedBy && scopeClosed(this.#closedBy, 'query()', undefined)
    return disposedError(this.#frame.what, cause)
  }
}

/** Whether the server said what became of the COMMIT, and lived to wait for the next statement. */
async function isFinal(session: Session, error: unknown): Promise<boolean> {
  if (!isServerError(error)) return false
  const answered = await within(session.policy.grace, session.whenQuiet())
  return answered && !session.lost
}

/** One after another; a failing one does not stop the others. */
async function callAll(callbacks: readonly (() => unknown)[]): Promise<void> {
  let failure: { error: unknown } | undefined
  for (const callback of callbacks) {
    try {
      await callback()
    } catch (error) {
      failure = { error: failure === undefined ? error : suppress(error, failure.error) }
    }
  }
  if (failure !== undefined) throw failure.error
}

function begunUnseen(cause: unknown): Error {
  return new Error('The server did not say whether the transaction began.', { cause })
}

async function rejected(signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
}

function ignore(): void {}
