/** A BEGIN, or a SAVEPOINT, on its way. Where it fails, or nobody knows, nothing stays open. */
import { isServerError } from './errors.ts'
import { undo } from './frame.ts'
import type { Session } from './session.ts'
import { Statement, takenOver, type Step } from './statement.ts'
import { submit } from './submit.ts'
import type { Transaction } from './transaction.ts'

export function begin(transaction: Transaction, session: Session): Promise<Transaction> {
  const { frame, signal } = transaction
  const statement = new Statement(frame.begin, undefined, true, new Begin(transaction, session))
  submit(session, statement, signal, undefined)
  // What its step makes of the answer.
  return statement.promise as Promise<unknown> as Promise<Transaction>
}

export class Begin implements Step<Transaction> {
  readonly #transaction: Transaction
  readonly #session: Session

  constructor(transaction: Transaction, session: Session) {
    this.#transaction = transaction
    this.#session = session
  }

  answered(): Transaction | Promise<never> {
    const transaction = this.#transaction
    if (transaction.ending) return this.#tooLate()
    if (transaction.parent === undefined) this.#session.begun(transaction)
    return transaction
  }

  async failed(error: unknown, sent: boolean): Promise<never> {
    const transaction = this.#transaction
    // It may have begun all the same.
    const isUnknown = transaction.usesConnection && sent && !isServerError(error)
    // Before the first wait: nothing is sent from now on as a part of what has not begun.
    if (!isUnknown) {
      transaction.contents.cut(undefined)
      transaction.finish('rolled back')
    }
    await takenOver()
    if (isUnknown) {
      await undo(transaction.frame, this.#session)
      transaction.finish('rolled back')
    }
    throw error
  }

  /** Its connection was released meanwhile. */
  async #tooLate(): Promise<never> {
    await takenOver()
    throw this.#transaction.dead()
  }
}
