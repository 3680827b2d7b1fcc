/**
 * A transaction that is ended by a statement instead of by its handle: what follows would run outside of it, each
 * statement for itself. The text is refused; what it did not show, the server's answer does.
 */
import { hasCommand, type DriverResult, type TransactionStatus } from './driver.ts'
import { endedBehind, endsBehind } from './errors.ts'
import type { Final } from './owner.ts'
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
