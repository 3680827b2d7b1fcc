/**
 * The errors of PostgreSQL leases. What the server or the driver reports is passed on as it is; these are for what
 * they report as a success, or cannot know.
 */
import { inspect } from 'node:util'

import { named, UnwindError } from '../core/errors/errors.ts'
import { isError } from '../core/errors/format.ts'
import { title, type Named } from '../core/misuse.ts'

/** `ERR_PG_ROLLED_BACK`: COMMIT of a failed transaction; the server rolled back. `cause` is what had failed in it. */
export class PgTransactionRolledBackError extends UnwindError {
  override readonly code = 'ERR_PG_ROLLED_BACK'
}

/** `ERR_PG_COMMIT_UNKNOWN`: the connection was lost during COMMIT; it may have succeeded. `cause` is the loss. */
export class PgCommitUnknownError extends UnwindError {
  override readonly code = 'ERR_PG_COMMIT_UNKNOWN'
}

/** `ERR_PG_TRANSACTION_OPEN`: a second transaction or savepoint was begun, or one with an open savepoint committed. */
export class PgTransactionOpenError extends UnwindError {
  override readonly code = 'ERR_PG_TRANSACTION_OPEN'
}

/** `ERR_PG_TRANSACTION_ENDED`: a statement ended a transaction behind the back of its handle. */
export class PgTransactionEndedError extends UnwindError {
  override readonly code = 'ERR_PG_TRANSACTION_ENDED'
}

/** `ERR_PG_UNEXPECTED_ROLLBACK`: a joined part failed and its caller went on; the whole cannot commit. */
export class PgUnexpectedRollbackError extends UnwindError {
  override readonly code = 'ERR_PG_UNEXPECTED_ROLLBACK'
}

/** `ERR_PG_TRANSACTION_POOLING`: behind a pooler of transactions, something needs its session for longer than one. */
export class PgTransactionPoolingError extends UnwindError {
  override readonly code = 'ERR_PG_TRANSACTION_POOLING'
}

/** `ERR_PG_POOL_EXHAUSTED`: a second connection was asked for where waiting for it could be waiting for oneself. */
export class PgPoolExhaustedError extends UnwindError {
  override readonly code = 'ERR_PG_POOL_EXHAUSTED'
}

/** `ERR_PG_LOCK_NOT_AVAILABLE`: an advisory lock did not come in time, or was gone before it was given back. */
export class PgLockNotAvailableError extends UnwindError {
  override readonly code = 'ERR_PG_LOCK_NOT_AVAILABLE'
}

/** `ERR_PG_CURSOR_OPEN`: something was asked of a connection that an open cursor has to itself. */
export class PgCursorOpenError extends UnwindError {
  override readonly code = 'ERR_PG_CURSOR_OPEN'
}

/** `ERR_PG_CONNECTION_LOST`: a statement was given to a connection that is closed. `cause` is what closed it. */
export class PgConnectionLostError extends UnwindError {
  override readonly code = 'ERR_PG_CONNECTION_LOST'
}

named({
  PgTransactionRolledBackError,
  PgCommitUnknownError,
  PgTransactionOpenError,
  PgTransactionEndedError,
  PgUnexpectedRollbackError,
  PgTransactionPoolingError,
  PgPoolExhaustedError,
  PgLockNotAvailableError,
  PgCursorOpenError,
  PgConnectionLostError,
})

export function rolledBack(what: string, cause: unknown): PgTransactionRolledBackError {
  return new PgTransactionRolledBackError(
    `${what} was not committed, because a statement in it had failed: it was rolled back. Let the error of that statement end it, or put a savepoint around a statement that may fail.`,
    cause === undefined ? undefined : { cause },
  )
}

export function commitUnknown(cause: unknown): PgCommitUnknownError {
  return new PgCommitUnknownError(
    'The connection was lost during COMMIT, or the driver gave it up, so the transaction is either committed or rolled back. Look for its effects before doing it again.',
    { cause },
  )
}

export function unexpectedRollback(cause: unknown): PgUnexpectedRollbackError {
  return new PgUnexpectedRollbackError(
    'The transaction was rolled back instead of committed, because a part that had joined it failed, and its error was caught. Let that error end the whole, or run a part that may fail as `nested` or `requiresNew`.',
    { cause },
  )
}

export function transactionPooling(what: string, instead: string): PgTransactionPoolingError {
  return new PgTransactionPoolingError(
    `${what} belongs to one session of the server, and behind a pooler of transactions (\`transactionPooling\`) the next transaction runs in another one: it would be lost, or somebody else's. ${instead}`,
  )
}

export function poolExhausted(scope: Named, limit: number): PgPoolExhaustedError {
  return new PgPoolExhaustedError(
    `A transaction of its own needs a second connection, and those of the pool (\`max\` is ${limit}) are in use, one of them by the scope ${title(scope)} itself: it could wait for ever. Give the pool twice as many as there are such requests at a time, or use \`nested\`, which needs no second connection.`,
  )
}

export function transactionOpen(what: string, other = 'another one'): PgTransactionOpenError {
  return new PgTransactionOpenError(
    `${what} while ${other} is open on the same connection. Commit, roll back or dispose that one first, and await it.`,
  )
}

export function neverAtRest(): PgTransactionOpenError {
  return new PgTransactionOpenError(
    "The pool's connections come with a transaction open, or with a statement that does not end. End what runs on its 'connect' event or in its `onConnect`, and what others leave behind in it.",
  )
}

export function cursorOpen(): PgCursorOpenError {
  return new PgCursorOpenError(
    'A cursor outside of a transaction has the connection to itself until its end, and was not at its end. Begin a transaction and use its cursor(), use another connection meanwhile, or read or dispose the cursor first.',
  )
}

export function notBegunHere(statement: string): PgTransactionOpenError {
  return new PgTransactionOpenError(
    `${statement} would end a transaction that was begun elsewhere. Whoever began it ends it; a BEGIN on the same client is a savepoint in it, which can be ended.`,
  )
}

export function endsBehind(statement: string): PgTransactionOpenError {
  return new PgTransactionOpenError(
    `${statement} was not sent: it would end the transaction behind the back of its handle, and what follows would run outside of every transaction. Call commit() or rollback() of the transaction, or of a savepoint() in it.`,
  )
}

const ends = {
  committed: 'was committed by a statement',
  'rolled back': 'was rolled back by a statement',
  unknown: 'was committed or rolled back by a statement',
} as const

export function endedBehind(what: string, end: keyof typeof ends): PgTransactionEndedError {
  return new PgTransactionEndedError(
    `${what} ${ends[end]} instead of by its handle. Nothing more is sent that was meant for it, because it would run outside of every transaction. End it with commit() or rollback(), and look for its effects before doing it again.`,
  )
}

export function chained(statement: string): PgTransactionOpenError {
  return new PgTransactionOpenError(
    `${statement} would begin the next transaction on the server alone, where nobody ends it. Send it without AND CHAIN, and a BEGIN after it.`,
  )
}

export function lockTimedOut(key: unknown, ms: number): PgLockNotAvailableError {
  return new PgLockNotAvailableError(
    `The advisory lock ${inspect(key)} was not available within its timeout of ${ms} ms: another session holds it. Try again later, or with a longer timeout.`,
  )
}

export function lockNotHeld(key: unknown): PgLockNotAvailableError {
  return new PgLockNotAvailableError(
    `The advisory lock ${inspect(key)} was not held any more when it was given back: something else on its connection had given it back, such as pg_advisory_unlock_all() or DISCARD ALL. Others may have had it meanwhile.`,
  )
}

export function lockLost(key: unknown, cause: unknown): PgConnectionLostError {
  return new PgConnectionLostError(
    `The advisory lock ${inspect(key)} may be held by somebody else by now, because the connection that held it is closed. Stop what it protects.`,
    { cause },
  )
}

export function connectionLost(cause: unknown): PgConnectionLostError {
  return new PgConnectionLostError(
    'The statement was not sent, because its connection to PostgreSQL is closed. Acquire another connection, and begin again.',
    { cause },
  )
}

/** What the driver reports for a statement that PostgreSQL itself refused. */
interface ServerError extends Error {
  readonly severity: string
  /** The SQLSTATE. */
  readonly code: string
}

/** Unlike a broken socket or a timeout of the driver's, such an error says what became of the statement. */
export function isServerError(error: unknown): error is ServerError {
  return (
    isError(error) &&
    'severity' in error &&
    typeof error.severity === 'string' &&
    'code' in error &&
    typeof error.code === 'string'
  )
}

/** What the server says to everything but a rollback, in a transaction that has failed. */
export function refusesAll(error: unknown): boolean {
  return isServerError(error) && error.code === '25P02'
}
