/**
 * How a lease, a transaction or a savepoint leaves its connection behind: nothing runs, and the transaction is over,
 * or the connection is closed. What could not be cleaned is gone. All of it is for whoever holds the line, but for what
 * waits alone.
 */
import { ignore } from '../core/dispose.ts'
import { within } from '../core/waiting.ts'
import { hasPrepared, wasSetUp } from './driver.ts'
import type { Policy } from './policy.ts'
import { needsReset } from './reset.ts'
import type { Session } from './session.ts'

/** Before a connection goes back to its pool: roll back what is open, reset what was changed. Nothing runs any more. */
export async function restore(session: Session): Promise<void> {
  const { reset } = session.policy
  if (session.changes.unsafe && reset.when === 'never') {
    session.retire(new Error('The client was used directly, and nothing resets it.'))
    return
  }
  if (reset.when !== 'never' && hasPrepared(session.client, session.changes.deallocated)) {
    session.retire(new Error('What the driver had prepared on it was deallocated.'))
    return
  }
  // Only whoever wrote a reset of their own knows what it keeps.
  const resets = reset.joins && needsReset(reset, session.changes.dirty)
  if (resets && wasSetUp(session.client, session.pool)) {
    session.retire(new Error('A reset would also undo what its pool had set up on it.'))
    return
  }
  for (const message of restoring(session)) await tell(session, message)
  if (!session.lost && !session.atRest) session.retire(unfinished())
}

/** Nothing of the transaction remains, and the connection can be used for the next. */
export async function rollBack(session: Session): Promise<void> {
  if (session.lost || session.status === 'I') return
  await tell(session, 'ROLLBACK')
  if (!session.lost && !session.atRest) session.retire(unfinished())
}

/** Back to where the savepoint was made, in a transaction that can go on. */
export async function rollBackTo(session: Session, savepoint: string): Promise<void> {
  if (session.lost || session.status === 'I') return
  await tell(session, `ROLLBACK TO ${savepoint}; RELEASE ${savepoint}`)
  if (!session.lost && session.status === 'E') session.retire(unfinished())
  session.failure = undefined
}

/** In one message where that is possible: each costs a round trip. */
function restoring(session: Session): string[] {
  const { status, policy, changes } = session
  const { dirty, prepared, unsafe } = changes
  const { reset } = policy
  const messages: string[] = []
  if (status !== 'I' || unsafe) messages.push('ROLLBACK')
  if (needsReset(reset, dirty)) messages.push(prepared ? reset.afterPrepare : reset.sql)
  return reset.joins && messages.length > 1 ? [messages.join('; ')] : messages
}

/** End what runs as `inFlight` says, and wait for the status that follows. */
export async function quieten(session: Session, inFlight: Policy['inFlight']): Promise<void> {
  await session.afterInterrupt()
  session.lookAgain()
  if (session.activity === 'running' && session.line.running?.control !== true) {
    await end(session, inFlight)
  }
  await quietOrLost(session)
}

/** As `quieten`, and also what is a part of a transaction's frame. */
export async function interrupt(session: Session): Promise<void> {
  await session.afterInterrupt()
  session.lookAgain()
  if (session.activity === 'running') await session.interrupt()
  await quietOrLost(session)
}

/**
 * After an error that is not the server's: where the driver gave up what runs, as by its `query_timeout`, it is given up
 * here too.
 */
export async function endGivenUp(session: Session, error: unknown): Promise<void> {
  // An error that the driver found in the answer, as in a value of a row, comes with the end of the statement.
  await Promise.resolve()
  if (session.activity !== 'running' || session.line.running !== undefined) return
  await giveUp(session, error)
}

/**
 * Cancel what runs. Whoever waits for it is told that it failed; so it has failed its transaction, also where it was done
 * before the cancel came. Resolves when it has ended.
 * @param why what they are told
 */
export function giveUp(session: Session, why: unknown): Promise<void> {
  session.noteFailure(why)
  // Not in its turn: whoever has the connection may be waiting for the end of just this.
  const interrupted = session.interrupt()
  void session.exclusively(async () => {
    await interrupted
    // Whoever had it may have undone the statement, with a rollback to a savepoint.
    const undone = session.failure === undefined
    if (!session.lost && session.status === 'T' && !undone) await fail(session)
  })
  return interrupted
}

/** With what the server can only refuse: then it keeps account of what that ends, and of which savepoint undoes it. */
async function fail(session: Session): Promise<void> {
  const answer = session.line.direct('ROLLBACK TO "before the statement that was given up"')
  await withinGrace(session, answer.catch(ignore))
  await quietOrLost(session)
}

async function end(session: Session, inFlight: Policy['inFlight']): Promise<void> {
  if (inFlight === 'destroy') {
    session.destroy(new Error('A statement was still running at the release of its connection.'))
    return
  }
  if (inFlight === 'wait') await within(session.policy.grace, session.whenQuiet())
  if (session.activity === 'running') await session.interrupt()
}

/** Where that fails, the connection cannot be cleaned. */
export async function tell(session: Session, message: string): Promise<void> {
  if (session.lost) return
  try {
    await withinGrace(session, session.line.direct(message))
  } catch (error) {
    session.retire(new Error(`${message} failed.`, { cause: error }))
  }
}

/** The end of a statement is to come, without being asked for. */
export async function quietOrLost(session: Session): Promise<void> {
  if (!session.ready) await withinGrace(session, session.whenQuiet())
  // Its signal may have had it cancelled meanwhile, and a cancel that comes too late would hit the next one.
  await session.afterInterrupt()
}

/** Everything that was asked of the connection before is over, and its transaction status is true. */
export async function idle(session: Session): Promise<void> {
  const { line } = session
  // Somebody may be at the end of a transaction.
  await session.exclusively(async () => {})
  while (!session.lost && !(session.activity === 'quiet' && line.empty)) {
    await (session.activity === 'quiet' ? line.whenEmpty() : session.whenQuiet())
  }
}

/**
 * Wait for `work`; where that takes longer than the grace, the connection is destroyed.
 * @throws what `work` rejects with
 */
export async function withinGrace(session: Session, work: Promise<unknown>): Promise<void> {
  const { grace } = session.policy
  if (await within(grace, work)) return
  session.destroy(new Error(`The server did not answer within the grace of ${grace} ms.`))
}

function unfinished(): Error {
  return new Error('The transaction was still open after its rollback.')
}
