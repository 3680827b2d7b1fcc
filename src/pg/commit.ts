/** What is known of a COMMIT: that it succeeded, that it failed, or neither. */
import { suppress } from '../core/dispose.ts'
import { checkFunction } from '../core/options.ts'
import { hasCommand, type DriverResult } from './driver.ts'
import { isServerError } from './errors.ts'
import type { Session } from './session.ts'
import type { Statement } from './statement.ts'
import { within } from './time.ts'

/** Whether the answer to a COMMIT means that nothing was committed. */
export function isRollback(result: DriverResult): boolean {
  return hasCommand(result, 'ROLLBACK')
}

/** Whether the server said what became of the COMMIT, and lived to wait for the next statement. */
export async function isFinal(session: Session, error: unknown): Promise<boolean> {
  if (!isServerError(error)) return false
  const answered = await within(session.policy.grace, session.whenQuiet())
  return answered && !session.lost
}

/** Who runs them. */
export interface Callbacks {
  readonly callbacks: AfterCommit
}

/** What runs once a commit is known to have succeeded. */
export class AfterCommit {
  readonly #callbacks: (() => unknown)[] = []

  /** @throws {TypeError} for what is no function */
  add(callback: () => unknown): void {
    checkFunction('the argument of afterCommit()', callback)
    this.#callbacks.push(callback)
  }

  /** After a savepoint, the commit is that of the transaction around it. */
  passOn(outer: Callbacks): void {
    outer.callbacks.#callbacks.push(...this.#callbacks)
  }

  async run(): Promise<void> {
    if (this.#callbacks.length > 0) await callAll(this.#callbacks)
  }
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

/** After that its connection is destroyed, and what became of it is not known. */
export async function answeredWithinGrace(
  session: Session,
  answer: Promise<unknown>,
): Promise<void> {
  const { grace } = session.policy
  if (await within(grace, answer.catch(ignore))) return
  session.destroy(new Error(`The server did not answer within the grace of ${grace} ms.`))
}

/** Wait for an end that somebody else began; a COMMIT that the server does not answer ends with its connection. */
export async function whenEnded(
  session: Session,
  ending: Promise<void>,
  committing: boolean,
): Promise<void> {
  const ended = ending.catch(ignore)
  if (committing) await answeredWithinGrace(session, ended)
  await ended
}

/** A COMMIT is not cancelled; when `signal` aborts, the server has the grace to answer. */
export function answerTo(
  { promise }: Statement,
  session: Session,
  signal: AbortSignal | undefined,
): Promise<DriverResult> {
  if (signal === undefined) return promise
  const onAbort = (): void => void answeredWithinGrace(session, promise)
  signal.addEventListener('abort', onAbort, { once: true })
  return promise.finally(() => signal.removeEventListener('abort', onAbort))
}

function ignore(): void {}
