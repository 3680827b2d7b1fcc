/** A COMMIT, or the RELEASE of a savepoint: that it succeeded, that it failed, or neither is known of it. */
import { ignore, suppress } from '../core/dispose.ts'
import { within } from '../core/waiting.ts'
import { hasCommand, type DriverResult } from './driver.ts'
import { rollBack, withinGrace } from './ending.ts'
import { commitUnknown, connectionLost, isServerError, refusesAll, rolledBack } from './errors.ts'
import type { Session } from './session.ts'
import { Statement, takenOver, type Step } from './statement.ts'
import type { Transaction } from './transaction.ts'

/** It is not cancelled; when the transaction's signal aborts, the server has the grace to answer. */
export function commit(transaction: Transaction, session: Session): Promise<void> {
  const { frame, signal } = transaction
  const statement = new Statement(frame.commit, undefined, true, new Commit(transaction, session))
  const { promise } = statement
  if (signal !== undefined) {
    statement.follow(signal, () => void withinGrace(session, promise.catch(ignore)))
  }
  session.line.add(statement)
  // What its step makes of the answer.
  return promise as Promise<unknown> as Promise<void>
}

export class Commit implements Step<undefined> {
  readonly #transaction: Transaction
  readonly #session: Session

  constructor(transaction: Transaction, session: Session) {
    this.#transaction = transaction
    this.#session = session
  }

  answered(result: DriverResult): undefined | Promise<never> {
    if (hasCommand(result, 'ROLLBACK')) return this.#rolledBack()
    this.#transaction.finish('committed')
    return undefined
  }

  async failed(error: unknown, sent: boolean): Promise<never> {
    const transaction = this.#transaction
    const session = this.#session
    const { failure } = session
    await takenOver()
    if (sent && transaction.parent === undefined) {
      const unknown = !(await isFinal(session, error))
      transaction.finish(unknown ? 'unknown' : 'rolled back')
      throw unknown ? commitUnknown(error) : error
    }
    if (transaction.usesConnection) await transaction.undo(session)
    // It ended with what is around it.
    else transaction.finish('rolled back')
    throw refusesAll(error) ? rolledBack(transaction.frame.what, failure) : error
  }

  async #rolledBack(): Promise<never> {
    const transaction = this.#transaction
    const { failure } = this.#session
    transaction.finish('rolled back')
    await takenOver()
    throw rolledBack(transaction.frame.what, failure)
  }
}

/**
 * The COMMIT of a transaction without a handle, for whoever holds the line; where it has failed, its rollback.
 * @throws where it is not known to be committed
 */
export async function commitDirectly(session: Session, what: string): Promise<void> {
  const { failed, lost, failure } = session
  if (failed) {
    await rollBack(session)
    throw lost ? connectionLost(session.loss) : rolledBack(what, failure)
  }
  let answered = false
  const answer = session.line.direct('COMMIT').then(() => (answered = true))
  try {
    await withinGrace(session, answer)
  } catch (error) {
    throw (await isFinal(session, error)) ? error : commitUnknown(error)
  }
  if (!answered) throw commitUnknown(session.loss)
}

/** Whether the server said what became of the COMMIT, and lived to wait for the next statement. */
async function isFinal(session: Session, error: unknown): Promise<boolean> {
  // A session ends with that: where it goes on, it is that of a pooler, which has lost its own.
  if (!isServerError(error) || error.severity === 'FATAL') return false
  const answered = await within(session.policy.grace, session.whenQuiet())
  return answered && !session.lost
}

/** Runs once a commit is known to have succeeded. */
export type Callback = () => unknown

/** One after another; a failing one does not stop the others. */
export async function callAll(callbacks: readonly Callback[]): Promise<void> {
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

/**
 * Wait for an end that somebody else began; a COMMIT that the server does not answer ends with its connection.
 * @throws what it rejects with, where this `tells` of that
 */
export async function whenEnded(
  session: Session,
  ending: Promise<void>,
  committing: boolean,
  tells: boolean,
): Promise<void> {
  const ended = ending.catch(ignore)
  if (committing) await withinGrace(session, ended)
  await (tells ? ending : ended)
}
