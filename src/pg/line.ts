/**
 * The statements of one connection, one at a time and in the order of the calls. While somebody holds the line, to end
 * something in several steps (`exclusively` of the session), only that one's statements are sent. What waits is sent as
 * soon as nothing runs, by whatever that ended: a statement must never be left for the next holder.
 */
import { roughNow } from '../core/deadline.ts'
import { endGivenUp, quietOrLost } from './ending.ts'
import { connectionLost } from './errors.ts'
import { outside, type DriverResult } from './driver.ts'
import type { Session } from './session.ts'
import { Statement } from './statement.ts'
import { Gate } from './gate.ts'

export class Line {
  /** The one that was sent. */
  running: Statement | undefined = undefined
  /** The last time when somebody asked for the end of all that was there. */
  calledOff: { readonly why: () => unknown } | undefined = undefined
  readonly #waiting = new Set<Statement>()
  /** While above zero, nothing is taken from those who wait. */
  #holds = 0
  /** The driver was called, and has not returned: an error that it tells now is its own. */
  #sending = false
  readonly #session: Session
  #emptied: Gate | undefined = undefined

  constructor(session: Session) {
    this.#session = session
  }

  get held(): boolean {
    return this.#holds > 0
  }

  /** Nothing runs and nobody waits. */
  get empty(): boolean {
    return this.running === undefined && this.#waiting.size === 0
  }

  /** Resolves when that is so, or the connection is lost, or all that waited was refused. */
  whenEmpty(): Promise<void> {
    return this.empty ? Promise.resolve() : (this.#emptied ??= new Gate()).wait()
  }

  add(statement: Statement): void {
    const { activity } = this.#session
    const free = activity === 'quiet' && this.running === undefined && this.#holds === 0
    // Where the connection is lost, it is refused.
    if (free || activity === 'lost') this.send(statement)
    else this.#waiting.add(statement)
  }

  /** Where the server waits for a statement, the next one is sent; where the connection is lost, nobody waits any more. */
  proceed(): void {
    const session = this.#session
    if (session.lost) this.#rejectAll(() => connectionLost(session.loss))
    else if (session.activity === 'quiet') this.#advance()
  }

  /** At once. For whoever holds the line. */
  send(statement: Statement): void {
    const session = this.#session
    const { activity } = session
    if (activity === 'lost') {
      statement.reject(connectionLost(session.loss))
      return
    }
    // Before the driver is called: it may answer at once.
    this.running = statement
    session.activity = 'running'
    session.changed = roughNow()
    statement.sent = true
    this.#sending = true
    try {
      session.client.query(statement.text, statement.values, (error, result) =>
        this.#answer(statement, error, result),
      )
      // Refused by the driver itself, which before version 8.22 may leave the server waiting for the rest.
      if (this.running === undefined) void outside(quietOrLost, session)
    } catch (error) {
      // Nothing was sent, and nothing will announce its end, unless who stands before the driver threw too late.
      this.running = undefined
      session.activity = activity
      session.lookAgain()
      statement.reject(error)
    }
    this.#sending = false
    if (this.running === undefined) this.proceed()
  }

  /** A statement of our own, by whoever holds the line. */
  direct(text: string): Promise<DriverResult> {
    const statement = new Statement(text, undefined, true)
    this.send(statement)
    return statement.promise
  }

  remove(statement: Statement): void {
    this.#waiting.delete(statement)
  }

  /**
   * Reject those who wait, because their connection or transaction is released; what runs is about to be ended.
   * Whoever started one and does not wait for it is not told.
   * @param asked somebody asked for just that: its end needs no reason
   */
  refuse(why: () => unknown, asked = false): void {
    if (asked) this.calledOff = { why }
    this.running?.disown(asked ? undefined : why)
    for (const statement of this.#waiting) statement.disown(why)
    this.#rejectAll(why)
  }

  #rejectAll(error: () => unknown): void {
    const refused = [...this.#waiting]
    this.#waiting.clear()
    for (const statement of refused) statement.reject(error())
    this.#emptied?.open()
  }

  hold(): void {
    this.#holds += 1
  }

  letGo(): void {
    this.#holds -= 1
    this.proceed()
  }

  /** The next one is sent, unless somebody holds the line. */
  #advance(): void {
    if (this.running !== undefined || this.#holds > 0) return
    const next = this.empty ? undefined : this.#waiting.values().next().value
    if (next === undefined) {
      this.#emptied?.open()
      return
    }
    this.#waiting.delete(next)
    this.send(next)
  }

  #answer(statement: Statement, error: unknown, result: DriverResult | undefined): void {
    // The driver answers twice where a value could not be converted.
    if (this.running !== statement) return
    const session = this.#session
    this.running = undefined
    // What could not convert it may have thrown anything.
    const failed = Boolean(error) || result === undefined
    if (failed) {
      session.noteError(error, statement)
    } else {
      statement.result = result
      session.noteResult(result, statement)
    }
    // Nothing is announced any more: what answers is late, or refused what the driver was never given.
    if (session.activity === 'untold' || (failed && session.client.readyForQuery === true)) {
      session.drained()
    } else if (!failed) {
      // The server waits for the next statement: it is sent before anybody learns of this one.
      this.#advance()
    } else if (session.activity === 'running' && !this.#sending && !statement.control) {
      // After the server's error, its end is announced; after one of the driver's, it may run on.
      void outside(endGivenUp, session, error)
    }
    if (statement.aborted) return
    if (failed) statement.reject(error)
    else statement.resolve(result)
  }
}
