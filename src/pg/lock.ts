/**
 * The advisory locks of a session. Each is entered with its lease before it is asked for, so that whatever happens
 * meanwhile, the next holder of the connection does not hold it too.
 */
import { ignore } from '../core/dispose.ts'
import { disposedError } from '../core/lease.ts'
import type { DriverResult } from './driver.ts'
import { quietOrLost, tell, withinGrace } from './ending.ts'
import { lockLost, lockNotHeld, lockTimedOut, refusesAll, transactionPooling } from './errors.ts'
import { lockWanted, saysYes, takeLock, type LockArguments, type Wanted } from './lock-wait.ts'
import type { Session } from './session.ts'
import type { Statement } from './statement.ts'
import { control } from './submit.ts'
import type { PgLock } from './held-types.ts'

/** The lease whose session holds it. */
export interface LockHost {
  /** @throws where nothing can be asked of it */
  free(): Session
  /** The one that is open, whose signal ends what is asked for in it. */
  readonly transaction: { readonly signal: AbortSignal | undefined } | undefined
  /** All of them. */
  readonly locks: Set<Lock>
}

const functions = ['pg_advisory_lock', 'pg_try_advisory_lock'] as const
const release = 'pg_advisory_unlock'
const ofTransaction = 'Begin a transaction, and use its advisoryLock().'

export async function advisoryLock(host: LockHost, parameters: LockArguments): Promise<Lock> {
  const want = lockWanted(parameters, 'advisoryLock()')
  const lock = new Lock(host, want)
  if (!(await lock.take())) throw lockTimedOut(want.key, 0)
  return lock
}

export async function tryAdvisoryLock(
  host: LockHost,
  parameters: LockArguments,
): Promise<Lock | undefined> {
  const lock = new Lock(host, lockWanted(parameters, 'tryAdvisoryLock()'))
  return (await lock.take()) ? lock : undefined
}

/**
 * - `wanted`: it is asked for
 * - `unknown`: nobody wants it any more, and it may have come all the same
 * - `shared`: the same, and another handle of the same lock must not lose its own: it waits for the end of that
 * - `deferred`: its transaction has failed, and takes no statement; it is given back after that
 * - `over`: not held by this any more
 */
type State = 'wanted' | 'unknown' | 'shared' | 'held' | 'deferred' | 'over'

export class Lock implements PgLock, AsyncDisposable {
  readonly #host: LockHost
  readonly #session: Session
  readonly #want: Wanted
  #state: State = 'wanted'
  /** Its lease is released. */
  #cut = false
  #controller: AbortController | undefined = undefined
  #unwatch: (() => void) | undefined = undefined
  #releasing: Promise<void> | undefined = undefined

  constructor(host: LockHost, want: Wanted) {
    this.#session = host.free()
    if (this.#session.policy.transactionPooling) {
      throw transactionPooling('An advisory lock of a lease', ofTransaction)
    }
    this.#want = want
    this.#host = host
    host.locks.add(this)
  }

  get signal(): AbortSignal {
    this.#controller ??= this.#watch()
    return this.#controller.signal
  }

  /** @returns false where it was tried, and somebody else holds it */
  async take(): Promise<boolean> {
    const session = this.#session
    let taken = false
    try {
      taken = await takeLock(this.#want, {
        session,
        // One that is called off before it has begun is none that it was asked for in.
        outer: session.transaction && this.#host.transaction?.signal,
        functions,
        onUnknown: () => {
          this.#state = 'unknown'
        },
      })
      if (this.#cut) throw disposedError('The PostgreSQL connection')
      if (taken) this.#state = 'held'
    } finally {
      if (this.#state === 'unknown') void this.#giveBackIfHeld()
      else if (!taken) this.#end()
    }
    return taken
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#releasing ??= this.#release()
    return this.#releasing
  }

  /** Its lease is released. */
  cut(): void {
    this.#cut = true
    this.#unwatch?.()
    if (this.#state === 'held') this.#controller?.abort(disposedError('The advisory lock'))
  }

  /** After that: nothing runs, and the line is held. */
  async leave(session: Session): Promise<void> {
    if (this.#state === 'over') return
    this.#state = 'over'
    const { reset } = session.policy
    if (reset.joins && reset.when !== 'never') {
      // The statements that follow give back every lock.
      session.changes.dirty = true
      return
    }
    const sql = this.#want.sql(release)
    await tell(session, session.status === 'E' ? `ROLLBACK; ${sql}` : sql)
  }

  async #release(): Promise<void> {
    if (this.#state === 'held') await this.#giveBack()
  }

  async #giveBack(): Promise<void> {
    const session = this.#session
    if (this.#cut || this.#state === 'over') return
    if (session.lost) return this.#end()
    if (session.failed) return this.#defer()
    const alone = session.ready && !session.line.held
    const statement = control(session, this.#want.sql(release))
    if (alone) void withinGrace(session, statement.promise.catch(ignore))
    let result: DriverResult
    try {
      result = await statement.promise
    } catch (error) {
      return this.#notGivenBack(statement, error)
    }
    this.#end()
    if (!saysYes(result)) throw lockNotHeld(this.#want.key)
  }

  #defer(): void {
    this.#state = 'deferred'
    this.#session
      .whenRecovered()
      .then(() => this.#giveBack())
      .catch(ignore)
  }

  /** The server does not tell how often a session holds a lock. */
  async #giveBackIfHeld(): Promise<void> {
    const session = this.#session
    await session.whenRecovered()
    if (this.#cut || session.lost) return
    if (this.#others('held', 'wanted').length > 0) {
      this.#state = 'shared'
      return
    }
    const statement = control(session, this.#want.giveBackIfHeld)
    try {
      await statement.promise
      this.#end()
    } catch (error) {
      // Refused with what else waited, or because a transaction has failed.
      if (!statement.sent || refusesAll(error)) await this.#giveBackIfHeld()
    }
  }

  /** Of the same lock, which can be asked for by several keys: as a number, a bigint or a text. */
  #others(...states: State[]): Lock[] {
    const sql = this.#want.sql(release)
    return [...this.#host.locks].filter(
      (lock) => lock !== this && states.includes(lock.#state) && lock.#want.sql(release) === sql,
    )
  }

  async #notGivenBack({ sent }: Statement, error: unknown): Promise<void> {
    // The last word of a server that closes the connection is an error too.
    if (sent) await quietOrLost(this.#session)
    if (this.#cut || this.#session.lost) return
    if (refusesAll(error)) this.#defer()
    else if (sent) throw error
    // Refused by cancel(), which is not meant for it.
    else await this.#giveBack()
  }

  #watch(): AbortController {
    const controller = new AbortController()
    const abort = (): void => controller.abort(lockLost(this.#want.key, this.#session.loss))
    if (this.#cut) controller.abort(disposedError('The advisory lock'))
    else if (this.#state !== 'over' && this.#session.lost) abort()
    else if (this.#state !== 'over') this.#unwatch = this.#session.onLoss(abort)
    return controller
  }

  #end(): void {
    this.#state = 'over'
    this.#unwatch?.()
    this.#host.locks.delete(this)
    for (const lock of this.#others('shared')) void lock.#giveBackIfHeld()
  }
}
