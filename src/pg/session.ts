/**
 * One physical connection: what it is doing, whether its transaction status can be believed, and its way back to the
 * pool. Nothing is sent while a cancel may still be on its way.
 */
import { cancelUntilQuiet, requestCancel } from './cancel.ts'
import {
  outside,
  statusReader,
  type DriverClient,
  type DriverResult,
  type Release,
  type TransactionStatus,
} from './driver.ts'
import { connectionLost, isServerError } from './errors.ts'
import { Line } from './line.ts'
import type { Policy } from './policy.ts'
import { changesSession } from './reset.ts'
import { parseQuery, Statement } from './statement.ts'
import { Gate } from './time.ts'
import type { PgQueryResult } from './types.ts'

/**
 * - `quiet`: the server waits for a statement; its transaction status is true
 * - `running`: it works on one
 * - `settling`: it has reported an error; the status after it is still to come
 * - `lost`: the connection is closed, or not to be used any more
 */
export type Activity = 'quiet' | 'running' | 'settling' | 'lost'

const sessions = new WeakMap<DriverClient, Session>()

/** The one session of a client: its listeners are added once in the life of a connection, not once for each lease. */
export function sessionOf(client: DriverClient, policy: Policy): Session {
  const known = sessions.get(client)
  if (known !== undefined) return known
  const session = new Session(client, policy)
  sessions.set(client, session)
  return session
}

export class Session {
  readonly client: DriverClient
  /** Resolves when the socket is closed. */
  readonly ended: Promise<void>
  readonly line: Line = new Line((statement) => this.#send(statement))
  policy: Policy
  activity: Activity = 'quiet'
  /** Settings, temporary tables or locks may be left in it. */
  dirty = false
  /** The driver's client was handed out: what was done with it is not known. */
  unsafe = false
  /** The server's first error since the lease or its transaction began. */
  failure: unknown = undefined
  readonly #readStatus: () => TransactionStatus | null
  readonly #quiet = new Gate()
  #release: Release | undefined = undefined
  #loss: Error | undefined = undefined
  #barrier: Promise<void> | undefined = undefined
  #turn: Promise<unknown> = Promise.resolve()

  constructor(client: DriverClient, policy: Policy) {
    this.client = client
    this.policy = policy
    this.#readStatus = statusReader(client)
    client.on('drain', () => this.#become('quiet'))
    client.on('error', (error) => this.#lose(error))
    this.ended = new Promise((resolve) => {
      client.on('end', () => {
        this.#lose(undefined)
        resolve()
      })
    })
  }

  /** To be believed when `quiet`. `null`: this driver does not tell. */
  get status(): TransactionStatus | null {
    return this.#readStatus()
  }

  get lost(): boolean {
    return this.activity === 'lost'
  }

  /** In a transaction that accepts nothing but its rollback, or about to be told so. */
  get failed(): boolean {
    return this.status === 'E' || this.activity === 'settling' || this.lost
  }

  /** The server waits, outside of every transaction. */
  get atRest(): boolean {
    return this.activity === 'quiet' && (this.status === 'I' || this.status === null)
  }

  /** Can be leased. Somebody who does not use these leases may have left it in the middle of something. */
  get usable(): boolean {
    return this.atRest && this.client.readyForQuery !== false
  }

  /** Can go back to the pool as it is. */
  get clean(): boolean {
    const { when } = this.policy.reset
    const needsReset = when === 'always' || (when === 'auto' && this.dirty)
    const settled = this.activity === 'quiet' && this.status === 'I' && !this.line.held
    return settled && !needsReset && !this.unsafe
  }

  checkOut(release: Release, policy: Policy): void {
    this.#release = release
    this.policy = policy
    this.dirty = false
    this.unsafe = false
    this.failure = undefined
  }

  giveBack(): void {
    const release = this.#release
    if (release === undefined) return
    this.#release = undefined
    this.failure = undefined
    if (this.lost) outside(release, this.#loss ?? new Error('The connection was closed.'))
    else outside(release)
  }

  /** Close the connection; its place in the pool is free. Without a cancel the server would go on with what runs. */
  destroy(error: Error): void {
    const { activity, client, policy } = this
    const release = this.#release
    this.#release = undefined
    this.#lose(error)
    if (activity === 'running' && policy.inFlight !== 'destroy') {
      void requestCancel(client, policy.grace)
    }
    if (release !== undefined) outside(release, error)
    client.connection?.stream.destroy()
  }

  /**
   * A statement of the user's, in its turn.
   * @param outer the signal of the transaction that it is a part of
   */
  query<Row>(
    first: unknown,
    second: unknown,
    third: unknown,
    outer: AbortSignal | undefined,
  ): Promise<PgQueryResult<Row>> {
    try {
      const { text, values, signal } = parseQuery(first, second, third, outer)
      const statement = new Statement(text, values, false)
      this.#start(statement, signal)
      // What a row is, only the caller knows.
      return statement.promise as Promise<PgQueryResult<Row>>
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** A part of a transaction's frame, in its turn. */
  control(text: string): Statement {
    const statement = new Statement(text, undefined, true)
    this.line.add(statement, this.#ready)
    return statement
  }

  /** The same, for whoever holds the line. */
  direct(text: string): Promise<DriverResult> {
    const statement = new Statement(text, undefined, true)
    this.#send(statement)
    return statement.promise
  }

  /** Resolves when the server waits for a statement again, or never will. */
  whenQuiet(): Promise<void> {
    return this.#ready ? Promise.resolve() : this.#quiet.wait()
  }

  /** Hold the line until `work` is done. Those who ask for this take turns. */
  exclusively<R>(work: () => Promise<R>): Promise<R> {
    this.line.hold()
    const turn = this.#turn.then(work).finally(() => this.#letGo())
    this.#turn = turn.catch(ignore)
    return turn
  }

  /** Cancel what runs. Resolves when it has ended and no cancel is on its way, or the connection is destroyed. */
  interrupt(): Promise<void> {
    this.#barrier ??= this.#cancel()
    return this.#barrier
  }

  /** Where a cancel is under way, wait until it is over. */
  async afterInterrupt(): Promise<void> {
    await this.#barrier
  }

  /** A statement can be sent, or refused because the connection is lost. */
  get #ready(): boolean {
    return this.activity === 'quiet' || this.lost
  }

  #start(statement: Statement, signal: AbortSignal | undefined): void {
    if (signal?.aborted === true) {
      statement.reject(signal.reason)
      return
    }
    if (signal !== undefined) statement.follow(signal, () => this.#abort(statement, signal))
    this.line.add(statement, this.#ready)
  }

  #send(statement: Statement): void {
    const { activity, line } = this
    if (activity === 'lost') {
      statement.reject(connectionLost(this.#loss))
      return
    }
    // Before the driver is called: it may answer at once.
    line.running = statement
    this.activity = 'running'
    statement.sent = true
    try {
      this.client.query(statement.text, statement.values, (error, result) =>
        this.#answer(statement, error, result),
      )
    } catch (error) {
      // Nothing was sent, and nothing will announce its end.
      line.running = undefined
      this.activity = activity
      statement.reject(error)
    }
  }

  #answer(statement: Statement, error: Error | null | undefined, result: DriverResult): void {
    // The driver answers twice where a value could not be converted.
    if (this.line.running !== statement) return
    this.line.running = undefined
    if (error) this.#noteError(error)
    else this.#noteResult(result, statement)
    if (statement.aborted) return
    if (error) statement.reject(error)
    else statement.resolve(result)
  }

  /** The server waits for the next statement: it is sent before anybody learns of this one. */
  #noteResult(result: DriverResult, statement: Statement): void {
    this.dirty ||= changesSession(result, statement)
    this.line.advance()
  }

  /** After an error that is not the server's, as a timeout of the driver's, the statement may still be running. */
  #noteError(error: Error): void {
    if (!isServerError(error)) return
    this.failure ??= error
    if (this.activity === 'running') this.activity = 'settling'
  }

  #abort(statement: Statement, signal: AbortSignal): void {
    if (this.line.running === statement) {
      statement.aborted = true
      void this.interrupt().then(() => statement.reject(signal.reason))
    } else {
      this.line.remove(statement)
      statement.reject(signal.reason)
    }
  }

  async #cancel(): Promise<void> {
    const { grace } = this.policy
    this.line.hold()
    const over = await cancelUntilQuiet(this.client, () => this.whenQuiet(), grace)
    if (!over) {
      this.destroy(new Error(`A statement did not end within ${grace} ms after its cancel.`))
    }
    this.#barrier = undefined
    this.#letGo()
  }

  #letGo(): void {
    this.line.letGo()
    this.#proceed()
  }

  #lose(error: Error | undefined): void {
    this.#loss ??= error
    this.#become('lost')
  }

  #become(activity: 'quiet' | 'lost'): void {
    if (!this.lost) this.activity = activity
    this.#quiet.open()
    this.#proceed()
  }

  #proceed(): void {
    if (this.lost) this.line.rejectAll(() => connectionLost(this.#loss))
    else if (this.activity === 'quiet') this.line.advance()
  }
}

function ignore(): void {}
