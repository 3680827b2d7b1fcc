/** The statements around a transaction, and around a savepoint: all in which the two differ. */
import { abortSignal, checkOptions, expected, flag, oneOf, type Rule } from '../core/options.ts'
import { quieten, rollBack, rollBackTo } from './ending.ts'
import type { Session } from './session.ts'
import type { PgTransactionOptions } from './types.ts'

export interface Frame {
  readonly what: string
  readonly begin: string
  readonly commit: string
  rollBack(session: Session): Promise<void>
}

/** End what runs, and undo what `frame` is around. */
export async function undo(frame: Frame, session: Session): Promise<void> {
  await session.exclusively(async () => {
    await quieten(session, session.policy.inFlight)
    await frame.rollBack(session)
  })
}

export const transactionRules: Readonly<Record<string, Rule>> = {
  isolation: oneOf('read committed', 'repeatable read', 'serializable'),
  readOnly: flag,
  deferrable: flag,
  signal: abortSignal,
}

const plain: Frame = { what: 'The transaction', begin: 'BEGIN', commit: 'COMMIT', rollBack }

/** @throws {TypeError} for unknown or wrong options */
export function transactionFrame(
  options: PgTransactionOptions | undefined,
  where: string = 'begin()',
): Frame {
  if (options === undefined) return plain
  checkOptions(where, options, transactionRules)
  return { ...plain, begin: ['BEGIN', ...modes(options)].join(' ') }
}

function modes({ isolation, readOnly, deferrable }: PgTransactionOptions): string[] {
  return [
    isolation === undefined ? [] : `ISOLATION LEVEL ${isolation.toUpperCase()}`,
    readOnly === undefined ? [] : readOnly ? 'READ ONLY' : 'READ WRITE',
    deferrable === undefined ? [] : deferrable ? 'DEFERRABLE' : 'NOT DEFERRABLE',
  ].flat()
}

/**
 * What `savepoint` takes is for our own callers.
 * @throws {TypeError} for a name, which it has elsewhere
 */
export function refuseName(signal: AbortSignal | undefined): void {
  if (signal === undefined || abortSignal.accepts(signal)) return
  throw expected('the argument of savepoint()', 'left out, since it needs no name', signal)
}

let savepoints = 0

/** A name of its own: with the same one twice, a release would end the inner one only. */
export function savepointFrame(): Frame {
  savepoints += 1
  const name = `unwind_${savepoints}`
  return {
    what: 'The savepoint',
    begin: `SAVEPOINT ${name}`,
    commit: `RELEASE ${name}`,
    rollBack: (session) => rollBackTo(session, name),
  }
}
