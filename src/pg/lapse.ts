/**
 * A transaction that is ended by a statement instead of by its handle: what follows would run outside of it, each
 * statement for itself. The text is refused; what it did not show, the server's answer does.
 */
import { committedError, disposedError, endedWithin } from '../core/lease.ts'
import { scopeClosed } from '../core/misuse.ts'
import type { Scope } from '../core/types.ts'
import { hasCommand, type DriverResult, type TransactionStatus } from './driver.ts'
import { endedBehind, endsBehind } from './errors.ts'
import type { Final, Phase } from './owner.ts'
import type { Session } from './session.ts'
import { sqlOf } from './query-arguments.ts'
import type { Statement } from './statement.ts'
import type { PgQueryConfig } from './types.ts'
import { endIn } from './words.ts'

/** @throws `ERR_PG_TRANSACTION_OPEN` for what would end the transaction of a handle */
export function checkEnds(session: Session, text: string | PgQueryConfig): void {
  if (session.transaction === undefined) return
  const end = endIn(sqlOf(text))
  if (end !== undefined) throw endsBehind(end)
}

/** How a statement has ended the transaction in which it ran; `undefined`: not at all. */
export function endOf(
  result: DriverResult,
  { text }: Statement,
  status: TransactionStatus | null,
): Final | undefined {
  const over = status === 'I'
  const committed = hasCommand(result, 'COMMIT')
  // A ROLLBACK to a savepoint answers the same, and ends nothing.
  const rolledBack = hasCommand(result, 'ROLLBACK') && (over || endIn(sqlOf(text)) !== undefined)
  if (committed !== rolledBack) return committed ? 'committed' : 'rolled back'
  return committed || over ? 'unknown' : undefined
}

/** Such an end, for the transaction and its savepoints. */
export class Lapse {
  /** Somebody has to hear of it. A rollback is what a dispose without a commit is for. */
  untold: boolean
  readonly #error: Error

  constructor(what: string, end: Final) {
    this.untold = end !== 'rolled back'
    this.#error = endedBehind(what, end)
  }

  tell(): Error {
    this.untold = false
    return this.#error
  }
}

/** What a use of a cursor of `host` throws that has ended with something else: a savepoint, where `host` goes on. */
export function cutOff(host: { usable(): Session }): Error {
  try {
    host.usable()
  } catch (error) {
    // What it throws is one.
    return error as Error
  }
  return disposedError('The cursor, which was opened in a savepoint and rolled back with it,')
}

/** What a use after any other end throws. */
export function ended(what: string, phase: Phase, by: Scope | undefined): Error {
  const cause = by && scopeClosed(by, 'A statement', undefined)
  if (phase === 'cut') return endedWithin(what, cause)
  if (cause !== undefined) return disposedError(what, cause)
  return phase === 'committing' || phase === 'committed'
    ? committedError(what)
    : disposedError(what)
}
