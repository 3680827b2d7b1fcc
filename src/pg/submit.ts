/** How a statement gets in line, and what its signals do to it: one that waits is removed, one that runs is cancelled. */
import { giveUp } from './ending.ts'
import { checkEnds } from './lapse.ts'
import { checkPooling } from './transaction-pooling.ts'
import type { Session } from './session.ts'
import { parseQuery } from './query-arguments.ts'
import { Statement } from './statement.ts'
import type { PgQueryConfig, PgQueryResult } from './types.ts'

/**
 * A statement of the user's, in its turn.
 * @param outer the signal of the transaction that it is a part of
 */
export function query<Row>(
  session: Session,
  first: unknown,
  second: unknown,
  third: unknown,
  outer: AbortSignal | undefined,
): Promise<PgQueryResult<Row>> {
  try {
    const { text, values, signal } = parseQuery(first, second, third)
    checkText(session, text)
    const statement = new Statement(text, values, false)
    submit(session, statement, signal, outer)
    // What a row is, only the caller knows.
    return statement.promise as Promise<PgQueryResult<Row>>
  } catch (error) {
    return Promise.reject(error)
  }
}

/** @throws where it asks for more of the session than there is to have, or ends a transaction behind its handle */
export function checkText(session: Session, text: string | PgQueryConfig): void {
  checkPooling(session, text)
  checkEnds(session, text)
}

/** As a part of a transaction's frame, which is not cancelled: in its turn. */
export function control(session: Session, text: string): Statement {
  const statement = new Statement(text, undefined, true)
  session.line.add(statement)
  return statement
}

/** Whichever of the signals aborts first is what the statement rejects with. */
export function submit(
  session: Session,
  statement: Statement,
  signal: AbortSignal | undefined,
  outer: AbortSignal | undefined,
): void {
  const aborted = signal?.aborted === true ? signal : outer
  if (aborted?.aborted === true) {
    statement.reject(aborted.reason)
    return
  }
  if (signal !== undefined) follow(session, statement, signal)
  if (outer !== undefined) follow(session, statement, outer)
  session.line.add(statement)
}

/** Aborts with whichever aborts first. */
export function either(
  one: AbortSignal | undefined,
  other: AbortSignal | undefined,
): AbortSignal | undefined {
  return one === undefined || other === undefined ? (one ?? other) : AbortSignal.any([one, other])
}

function follow(session: Session, statement: Statement, signal: AbortSignal): void {
  statement.follow(signal, () => abort(session, statement, signal))
}

function abort(session: Session, statement: Statement, signal: AbortSignal): void {
  if (session.line.running === statement) {
    statement.aborted = true
    const ended = statement.control ? session.interrupt() : giveUp(session, signal.reason)
    void ended.then(() => statement.reject(signal.reason))
  } else if (!statement.sent) {
    session.line.remove(statement)
    statement.reject(signal.reason)
  }
}
