/**
 * What this folder says when something goes wrong: what happened, to which file or statement, what to do. An error of
 * the driver is thrown as it is, except where it leaves out what somebody needs to know.
 */
import { isError } from '../core/errors/format.ts'
import { committedError, disposedError } from '../core/lease.ts'
import { DisposedError, UnwindError } from '../core/errors/errors.ts'
import { scopeClosed, title } from '../core/misuse.ts'
import type { Scope } from '../core/types.ts'
import type { DriverDatabase } from './driver.ts'

function coded(code: string, message: string, cause?: unknown): UnwindError {
  const error = new UnwindError(message, cause === undefined ? undefined : { cause })
  return Object.assign(error, { code })
}

/** `ERR_SQLITE_MISUSE`: an order of calls that cannot work. */
export function misuse(message: string, cause?: unknown): UnwindError {
  return coded('ERR_SQLITE_MISUSE', message, cause)
}

/** `ERR_SQLITE_BUSY`: somebody else writes, here or in another process. */
export function busy(message: string, cause?: unknown): UnwindError {
  return coded('ERR_SQLITE_BUSY', message, cause)
}

/** `ERR_SQLITE_OPEN` */
export function cannotOpen(message: string, cause?: unknown): UnwindError {
  return coded('ERR_SQLITE_OPEN', message, cause)
}

/** `ERR_SQLITE_BACKUP` */
export function cannotBackUp(message: string, cause?: unknown): UnwindError {
  return coded('ERR_SQLITE_BACKUP', message, cause)
}

/** `ERR_SQLITE_AWAIT`: a transaction of one tick was still open at the end of it. */
export function crossedAwait(file: string): UnwindError {
  return coded(
    'ERR_SQLITE_AWAIT',
    `The transaction that begin() opened on "${file}" was still open at the end of its tick and was rolled back. End it before the first await, or use \`await using tx = await db.write()\`.`,
  )
}

/**
 * What a handle throws after its release.
 * @param lender the scope that lent it, if one did; as long as that is open, its holder has ended it
 * @param isCommitted whether that was by a commit
 */
export function released(
  what: string,
  lender: Scope | undefined,
  isCommitted = false,
): DisposedError {
  const isOver = lender?.state === 'closing' || lender?.state === 'closed'
  if (isOver) return disposedError(what, scopeClosed(lender, 'A statement', undefined))
  return isCommitted ? committedError(what) : disposedError(what)
}

/** What a transaction throws that ended without its holder's doing. */
export function lapsed(file: string, cause: unknown): DisposedError {
  // Its connection was closed.
  if (cause instanceof DisposedError) return cause
  return new DisposedError(
    `The transaction on "${file}" was rolled back by SQLite when a statement failed, and nothing of it was kept. Begin a new one; its cause is that failure.`,
    { cause },
  )
}

/** What a script throws in which a user function, or whoever owns the connection, ended the transaction. */
export function endedBehind(file: string): UnwindError {
  return misuse(
    `A script ended the transaction on "${file}" behind the back of its handle: what was done in it until then is committed, and what came after that ran outside of it. End it with commit() or rollback().`,
  )
}

/** What a transaction throws whose database was disposed before it ended. */
export function endedByDispose(file: string): DisposedError {
  return new DisposedError(
    `The transaction on "${file}" was rolled back because its database was disposed first. End transactions before their database.`,
  )
}

/** What a rollback throws that cannot happen now. */
export function stillOpen(file: string, cause: unknown): UnwindError {
  return misuse(
    `The transaction on "${file}" could not be rolled back and is still open, because a user function, or an iterator of the driver itself, keeps its connection busy. Once that is over, it can be, and is before the next one begins.`,
    cause,
  )
}

/** What ending an iterator throws that cannot happen now. */
export function stillReading(file: string, cause: unknown): UnwindError {
  return misuse(
    `An iterator on "${file}" could not be closed and is still open. Write or dispose after the user function returned that keeps the connection busy.`,
    cause,
  )
}

/** What throws inside a user function that a statement of the same connection calls. */
export function busyInFunction(file: string): UnwindError {
  return misuse(
    `The connection to "${file}" is busy with the statement that called this user function. Do this after that statement has returned; a user function may read with other statements, and nothing else.`,
  )
}

/** What an iterator throws that was closed before its end by somebody else. */
export function iteratorClosed(sql: string, file: string, why: string): DisposedError {
  return new DisposedError(
    `The iterator over ${quoted(sql)} on "${file}" was closed before its end: ${why}. Read its rows first, or all at once with all().`,
  )
}

/** What a call or a statement throws that is no part of the open transaction and cannot wait for its end. */
export function writerBusy(what: string, file: string): UnwindError {
  return busy(
    `${what}: a transaction is open on "${file}", and what is outside it would become part of it. Use that transaction (prepare(), exec() and savepoint() are its methods), or wait for your turn: await using tx = await db.write().`,
  )
}

export function backupRuns(what: string, file: string): UnwindError {
  return busy(
    `${what}: "${file}" is being copied and cannot change meanwhile. Wait for the backup, or for your turn: await using tx = await db.write().`,
  )
}

/** What a request is told that would wait for itself. */
export function waitsForItself(holder: Scope, file: string): UnwindError {
  return busy(
    `write(): the scope ${title(holder)} holds the writer of "${file}" until it closes, so waiting for it inside that scope would never end. Use its transaction, or a savepoint of it.`,
  )
}

/** What a begin throws on a connection whose owner began something himself. */
export function foreignTransaction(file: string, cause: unknown): UnwindError {
  return misuse(
    `A transaction that unwind did not begin is open on "${file}". End it where it was begun, or begin it with begin(), write() or transaction().`,
    cause,
  )
}

/** What a reader throws that has no connection of its own. */
export function settingShared(sql: string, file: string): UnwindError {
  return misuse(
    `${quoted(sql)} would change the connection to "${file}" for everybody, because this reader shares it with the writer. Run it with exec() of the database, where it is to stay; or give that the option \`readers\`: the connection of such a reader may be changed, and is not given to the next.`,
  )
}

/** What a script throws that left a transaction open. */
export function leftOpen(sql: string, file: string): UnwindError {
  return misuse(
    `exec(): ${quoted(sql)} left a transaction open on "${file}", which was rolled back. End it in the same script, or use begin() or write().`,
  )
}

/** An error of the driver, with what it leaves out. */
export function explained(error: unknown, { open }: DriverDatabase, file: string): unknown {
  if (error instanceof UnwindError) return error
  if (!open) {
    return new DisposedError(
      `The connection to "${file}" was closed by its owner while unwind was using it. Dispose the SqliteDatabase first.`,
      { cause: error },
    )
  }
  if (isBusyInside(error)) {
    return misuse(
      `The connection to "${file}" is busy: ${becauseBusy}. Close that iterator, or do this after the statement that called the function; a user function may read with statements that were prepared before, and nothing else.`,
      error,
    )
  }
  if (isResult(error, 'SQLITE_BUSY')) {
    return busy(
      `Another connection holds "${file}", in this process or another. Try again later, or let it wait with the option \`busyTimeout\`.`,
      error,
    )
  }
  return error
}

/** What keeps a connection of better-sqlite3 from doing more. */
export const becauseBusy =
  'an iterator of the driver itself is open on it, or this is called by a user function'

/** So better-sqlite3 refuses what SQLite could not do now, or what it fears. */
export function isBusyInside(error: unknown): boolean {
  return error instanceof TypeError && error.message.endsWith('busy executing a query')
}

/** What SQLite answers with, as far as anybody here asks: https://sqlite.org/rescode.html */
const results = { SQLITE_OK: 0, SQLITE_ERROR: 1, SQLITE_BUSY: 5, SQLITE_NOTADB: 26 }

/** better-sqlite3 names the result in `code`, node:sqlite gives its number; the low byte is what extended ones extend. */
export function isResult(error: unknown, result: keyof typeof results): boolean {
  if (!isError(error)) return false
  if ('errcode' in error) return (Number(error.errcode) & 0xff) === results[result]
  return 'code' in error && typeof error.code === 'string' && error.code.startsWith(result)
}

/** A statement in a message. */
export function quoted(sql: string): string {
  const line = sql.replaceAll(/\s+/g, ' ').trim()
  return line.length > 60 ? `"${line.slice(0, 59)}…"` : `"${line}"`
}
