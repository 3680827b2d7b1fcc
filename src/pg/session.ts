/**
 * One physical connection: what it is doing, whether its transaction status can be believed, and its way back to the
 * pool. Nothing is sent while a cancel may still be on its way.
 */
import { roughNow } from '../core/deadline.ts'
import { cancelUntilQuiet, requestCancel } from './cancel.ts'
import { Changes } from './changes.ts'
import { disconnect } from './disconnect.ts'
import {
  hasCommand,
  outside,
  releaseOutside,
  statusReader,
  type DriverClient,
  type DriverPool,
  type DriverResult,
  type Release,
  type TransactionStatus,
} from './driver.ts'
import { endOf } from './lapse.ts'
import { isServerError } from './errors.ts'
import { Line } from './line.ts'
import type { Held } from './owner.ts'
import type { Policy } from './policy.ts'
import { needsReset } from './reset.ts'
import type { Statement } from './statement.ts'
import { Gate } from './gate.ts'
import { Turns } from './turns.ts'

/**
 * - `quiet`: the server waits for a statement; its transaction status is true
 * - `running`: it works on one
 * - `settling`: it has reported an error; the status after it is still to come
 * - `untold`: it waits, and the driver, or who stands before that, has still to say how the statement ended
 * - `lost`: the connection is closed, or not to be used any more
 */
type Activity = 'quiet' | 'running' | 'settling' | 'untold' | 'lost'

export class Session {
  readonly client: DriverClient
  /** That of the driver. */
  readonly pool: DriverPool
  /** Resolves when the socket is closed. */
  readonly ended: Promise<void>
  readonly line: Line = new Line(this)
  policy: Policy
  activity: Activity = 'quiet'
  /** When that became so, on the clock of `roughNow`. */
  changed: number = roughNow()
  /** What its holder leaves in it. */
  readonly changes: Changes = new Changes()
  /** The server's first error since the lease or its transaction began. */
  failure: unknown = undefined
  /** How many there were by text: what was declared before may be gone. */
  rollbacks = 0
  /** The one that somebody holds, from the answer to its BEGIN until its end. */
  transaction: Held | undefined = undefined
  /** What closed the connection. */
  loss: Error | undefined = undefined
  readonly #readStatus: () => TransactionStatus | null
  readonly #quiet = new Gate()
  readonly #recovered = new Gate()
  readonly #turns = new Turns()
  /** Counts those who held it: what was begun for one must not touch the next. */
  #holder = 0
  #release: Release | undefined = undefined
  #barrier: Promise<void> | undefined = undefined
  #lossListeners: Set<() => void> | undefined = undefined

  constructor(client: DriverClient, pool: DriverPool, policy: Policy) {
    this.client = client
    this.pool = pool
    this.policy = policy
    this.#readStatus = statusReader(client)
    client.on('drain', () => this.drained())
    client.on('error', (error) => this.#lose(error))
    this.ended = new Promise((resolve) => {
      client.on('end', () => {
        this.#lose(undefined)
        // Whoever holds it may never release it, as drizzle does not where its BEGIN fails.
        this.giveBack()
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
    // Outside of a transaction, an error ends with its statement.
    if (this.activity === 'settling') return this.status !== 'I'
    return this.status === 'E' || this.lost
  }

  /** A statement can be sent, or refused because the connection is lost. */
  get ready(): boolean {
    return this.activity === 'quiet' || this.activity === 'lost'
  }

  /** The server waits, outside of every transaction. */
  get atRest(): boolean {
    return this.activity === 'quiet' && (this.status === 'I' || this.status === null)
  }

  /** Known to be in a transaction. */
  get inTransaction(): boolean {
    return this.activity === 'quiet' && (this.status === 'T' || this.status === 'E')
  }

  /** Can go back to the pool as it is. */
  get clean(): boolean {
    const settled = this.activity === 'quiet' && this.status === 'I' && !this.line.held
    return settled && !needsReset(this.policy.reset, this.changes.dirty) && !this.changes.unsafe
  }

  checkOut(release: Release, policy: Policy): void {
    // Whoever holds it had it released behind their back: no two may have it.
    if (this.#release !== undefined) this.retire(new Error('Somebody else had released it.'))
    this.#release = release
    this.policy = policy
    this.changed = roughNow()
    this.lookAgain()
  }

  /** Nobody holds it from now on. */
  giveBack(): void {
    // Who holds one that is lost has still to hear of its end, and nobody follows.
    if (!this.lost) this.changes.clear()
    this.#leavePool(this.#forget())
  }

  /** Close the connection now. Without a cancel the server would go on with what runs. */
  destroy(error: Error): void {
    this.#close(error, false)
  }

  /** Close it in order: its place in the pool is free once the server's part of it has ended too. */
  retire(error: Error): void {
    this.#close(error, this.activity !== 'running')
  }

  /** Statements that were given to the driver directly are seen as what runs. */
  lookAgain(): void {
    if (this.activity === 'quiet' && this.client.readyForQuery === false) this.activity = 'running'
  }

  /** The server waits for a statement. */
  drained(): void {
    if (this.line.running === undefined) this.#become('quiet')
    else if (!this.lost) this.activity = 'untold'
  }

  /** Resolves when the server waits for a statement again, or never will. */
  whenQuiet(): Promise<void> {
    return this.ready ? Promise.resolve() : this.#quiet.wait()
  }

  /** Resolves when the transaction that has failed is over, whoever ended it, or the connection is lost. */
  async whenRecovered(): Promise<void> {
    while (this.failed && !this.lost) await this.#recovered.wait()
  }

  /**
   * Hold the line until `work` is done; those who ask for this take turns. Nothing is done where the connection has
   * another holder by then.
   */
  async exclusively(work: () => Promise<void>): Promise<void> {
    const holder = this.#holder
    this.line.hold()
    try {
      await this.#turns.take(async () => {
        if (holder === this.#holder) await work()
      })
    } finally {
      this.line.letGo()
    }
  }

  /** Cancel what runs. Resolves when it has ended and no cancel is on its way, or the connection is destroyed. */
  interrupt(): Promise<void> {
    return (this.#barrier ??= this.#cancel())
  }

  /** Where a cancel is under way, wait until it is over. */
  async afterInterrupt(): Promise<void> {
    await this.#barrier
  }

  /**
   * Call `listener` when the connection is lost, at most once, and not after its lease is released.
   * @returns what takes it back
   */
  onLoss(listener: () => void): () => void {
    const listeners = (this.#lossListeners ??= new Set()).add(listener)
    return () => void listeners.delete(listener)
  }

  /** A lease or a transaction began: what failed before is not its failure. */
  begun(transaction?: Held): void {
    this.failure = undefined
    this.transaction = transaction
  }

  /** It ended, by its handle or not. */
  over(transaction: Held): void {
    if (this.transaction === transaction) this.transaction = undefined
    this.#recovered.open()
  }

  noteResult(result: DriverResult, statement: Statement): void {
    this.changes.noteResult(result, statement)
    if (statement.control) return
    const undoes = hasCommand(result, 'ROLLBACK')
    if (undoes) this.rollbacks += 1
    const end = this.transaction && endOf(result, statement, this.status)
    if (end !== undefined) this.transaction?.lapse(end)
    // To a savepoint: it undoes what had failed, unless it was given up itself.
    else if (undoes && !statement.aborted) this.failure = undefined
  }

  /** After an error that is not the server's, as a timeout of the driver's, the statement may still be running. */
  noteError(error: unknown, statement: Statement): void {
    const servers = isServerError(error)
    this.changes.noteError(statement, servers)
    if (servers) this.noteFailure(error)
  }

  /** A statement failed what it ran in; the status that follows it is still to come. */
  noteFailure(error: unknown): void {
    this.failure ??= error
    if (this.activity === 'running') this.activity = 'settling'
  }

  async #cancel(): Promise<void> {
    const { grace } = this.policy
    this.line.hold()
    if (!(await cancelUntilQuiet(this.client, () => this.whenQuiet(), grace))) {
      this.destroy(new Error(`A statement did not end within ${grace} ms after its cancel.`))
    }
    this.#barrier = undefined
    this.line.letGo()
  }

  #close(error: Error, inOrder: boolean): void {
    const { activity, client, policy } = this
    this.#lose(error)
    const release = this.#forget()
    if (activity === 'running' && policy.inFlight !== 'destroy')
      void outside(requestCancel, client, policy.grace)
    const free = (): void => this.#leavePool(release)
    if (activity === 'lost') free()
    else outside(() => void disconnect(client, this.ended, inOrder).then(free))
  }

  /** Its place there is free. */
  #leavePool(release: Release | undefined): void {
    if (release === undefined) return
    try {
      if (this.lost) outside(release, this.loss ?? new Error('It was closed.'))
      else releaseOutside(release)
    } catch {
      // Somebody released the driver's client behind our back: it is no longer ours to give.
    }
  }

  /** @returns what its last holder owes to the pool */
  #forget(): Release | undefined {
    const release = this.#release
    this.#release = undefined
    this.#lossListeners = undefined
    this.#holder += 1
    this.begun()
    return release
  }

  #lose(error: Error | undefined): void {
    this.loss ??= error
    if (this.lost) return
    this.#become('lost')
    for (const listener of this.#lossListeners ?? []) listener()
  }

  #become(activity: 'quiet' | 'lost'): void {
    if (!this.lost) this.activity = activity
    this.changed = roughNow()
    // A statement that failed, or one that was given to the driver directly, may have ended it before.
    if (this.transaction?.ending === false && this.status === 'I') this.transaction.lapse('unknown')
    this.#quiet.open()
    this.#recovered.open()
    this.line.proceed()
  }
}
