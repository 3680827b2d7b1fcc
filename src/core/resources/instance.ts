/**
 * One acquisition of one resource in one owner: shared by everybody who asks for it (single flight), entered into the
 * owner's list when it completes, and never lost: a value that comes too late is released at once.
 */
import { Context, piled, refuseThenable, releaseInstance, type Acquisition } from './acquisition.ts'
import { releaseAfter } from './chains.ts'
import { Completion } from '../completion.ts'
import { enterFrame, underway } from '../context.ts'
import { after, roughNow } from '../deadline.ts'
import { detection } from '../watching/detection.ts'
import { ignore, isEcho, isPromise, promiseOf } from '../dispose.ts'
import { AcquireTimeoutError } from '../errors/errors.ts'
import { Finalizer, push, pushBelow, type Source } from '../finalizers.ts'
import { forgetNote } from '../watching/notes.ts'
import { releaseLate } from '../release-alone.ts'
import { beginAcquisition, type Definition } from './resource.ts'
import type { Start } from './start.ts'
import type { ScopeNode } from '../scope.ts'
import { tellTimeout } from '../watching/telling.ts'

/** What an acquire function was given. */
type Lender = Pick<Instance, 'value'>

/** How many acquire functions may be called inside of each other: each takes a dozen calls of the stack. */
const deepest = 50
let nested = 0

export class Instance implements Source {
  state: 'unstarted' | 'acquiring' | 'open' | 'released' = 'unstarted'
  /** Whether somebody is told what its acquisition throws. */
  heard = false
  readonly promise: Promise<unknown>
  readonly definition: Definition<unknown>
  readonly owner: ScopeNode
  /** Those beside it among what its owner shares. */
  older: Instance | undefined = undefined
  newer: Instance | undefined = undefined
  /** What became of its acquisition, once it has arrived. */
  acquisition: Acquisition<unknown> | undefined = undefined
  /** What came of it. */
  value: unknown = undefined
  /** What it was given while it was being acquired. */
  #lenders: Lender[] | undefined = undefined
  #registered: Finalizer[] | undefined = undefined
  /** Who asked for it while being acquired itself. */
  dependent: Instance | undefined
  /** The start that takes it back where that fails. */
  goesWith: Start | undefined = undefined
  /** When its acquisition began, on the clock of `roughNow`. */
  readonly since: number = roughNow()
  /** What is needed before it can complete, and whether that is sure. */
  waitsFor: Map<Instance, boolean> | undefined = undefined
  /** The entries of those that asked for it, or for what needs it, and did not wait. */
  releasedAfter: Set<Finalizer> | undefined = undefined
  #resolve: (value: unknown) => void = ignore
  #reject: (error: unknown) => void = ignore
  #stopTimer: () => void = ignore
  /** Where its callers were told that they will not get it: how a late value is to be released. */
  #givenUp: Completion | undefined = undefined
  /** What its callers were told instead of its value, where they were. */
  #refusal: { readonly error: unknown } | undefined = undefined
  /** It had its time, and goes on all the same. */
  overdue = false
  /** Each one like it would stay until the app ends: nothing is being acquired for which it could be. */
  readonly #piles: boolean

  constructor(definition: Definition<unknown>, owner: ScopeNode, dependent: Instance | undefined) {
    this.definition = definition
    this.owner = owner
    this.dependent = dependent
    this.#piles =
      definition.lifetime === 'transient' &&
      owner.kind === 'app' &&
      dependent?.state !== 'acquiring'
    // On Node.js 22 a promise keeps the context in which it was made: an app must not keep its first request's.
    const isApps = definition.lifetime === 'app'
    this.promise = isApps ? owner.frame.runInAsyncScope(() => this.#promise()) : this.#promise()
  }

  #promise(): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  get name(): string {
    return this.definition.name
  }

  start(): void {
    this.state = 'acquiring'
    underway.count += 1
    const { acquireTimeout: limit } = this.definition
    if (limit !== undefined) this.#stopTimer = after(limit, () => this.expire(limit))
    if (nested < deepest) this.#begin()
    // A longer chain of those that acquire each other would not fit into the stack.
    else void Promise.resolve().then(() => this.#begin())
  }

  #begin(): void {
    const { owner, definition } = this
    nested += 1
    try {
      const context = new Context(this)
      const acquisition = enterFrame(owner.frame, context, beginAcquisition, definition, context)
      const { pending } = acquisition
      // Only a real promise is waited for: any other thenable is a value that `await` would run.
      if (isPromise(pending)) this.#await(promiseOf(pending), acquisition)
      else this.#arrive(pending, acquisition)
    } catch (error) {
      this.#fail(error)
    } finally {
      nested -= 1
    }
  }

  /** Its callers get `error` now; a value that comes later is released at once, with `completion`. */
  giveUp(error: unknown, completion: Completion): void {
    this.#givenUp = completion
    this.refuse(error)
  }

  /** Its callers get `error` now; a value that comes while the owner waits is released with all others. */
  refuse(error: unknown): void {
    // It says nothing of the acquisition: nobody misses it.
    this.heard = true
    this.#refuse(error)
  }

  /**
   * A caller waits for it who may be told something else. What it throws after that, when all are gone, is not lost.
   * @returns how to tell
   */
  join(tell: (reason: unknown) => void): (reason: unknown) => void {
    let stays = true
    this.promise.catch(() => {
      if (stays) this.heard = true
    })
    return (reason) => {
      tell(reason)
      stays = false
      // A turn later than those who stay.
      this.promise.then(ignore).catch((error: unknown) => this.#missed(error, reason))
    }
  }

  /**
   * It had its time, `limit` milliseconds: from here on nobody waits, neither its callers nor an owner that is closing.
   * @param bound the option that says so
   * @returns what its callers are told
   */
  expire(limit: number, bound?: string): Error {
    const error = new AcquireTimeoutError(this.name, limit, bound)
    tellTimeout(this.owner, this.name, 'acquire', limit)
    this.#stopTimer()
    this.#givenUp ??= Completion.unknown.fail(error, true)
    this.#refuse(error)
    this.overdue = true
    this.owner.holdings?.leave(this)
    return error
  }

  /** Its acquire function was given the value of `lender`. */
  borrowFrom(lender: Lender): void {
    if (this.state === 'acquiring') (this.#lenders ??= []).push(lender)
  }

  /** Whether `value` is somebody else's to release. */
  borrowed(value: unknown): boolean {
    return this.#lenders?.some((lender) => lender.value === value) === true
  }

  #await(pending: Promise<unknown>, acquisition: Acquisition<unknown>): void {
    pending.then(
      (awaited) => this.#arrive(awaited, acquisition),
      (error: unknown) => this.#fail(error),
    )
  }

  #arrive(awaited: unknown, acquisition: Acquisition<unknown>): void {
    let value: unknown
    try {
      value = acquisition.settle(awaited, this)
    } catch (error) {
      this.#fail(error)
      return
    }
    this.acquisition = acquisition
    this.value = value
    const finalizer = acquisition.owes
      ? new Finalizer(releaseInstance, value, ignore, this)
      : undefined
    this.#check(value, acquisition.owes)
    if (this.#givenUp !== undefined) {
      void this.#arriveLate(finalizer, this.#givenUp)
      return
    }
    this.state = 'open'
    if (finalizer !== undefined) this.#enter(finalizer)
    releaseAfter(finalizer === undefined ? this.releasedAfter : [finalizer], this)
    this.#settle(finalizer)
    this.owner.holdings?.arrived(this)
    this.#resolve(value)
  }

  /** What its acquire function hands to its owner is released after it. */
  register(finalizer: Finalizer): void {
    this.#enter(finalizer)
    ;(this.#registered ??= []).push(finalizer)
  }

  #enter(finalizer: Finalizer): void {
    const { owner, releasedAfter } = this
    if (releasedAfter === undefined) push(owner, finalizer)
    else pushBelow(owner, finalizer, releasedAfter, (entry) => this.#needs(entry))
    this.goesWith?.enter(finalizer)
  }

  #needs(entry: Finalizer): boolean {
    const needed: (Lender | Source | undefined)[] = this.#lenders ?? []
    return this.#registered?.includes(entry) === true || needed.includes(entry.source)
  }

  async #arriveLate(finalizer: Finalizer | undefined, completion: Completion): Promise<void> {
    this.#settle(finalizer)
    this.state = 'released'
    // What it needs is not released before it, be it overdue or not.
    this.owner.holdings?.expect(this)
    if (finalizer !== undefined) await releaseLate(finalizer, this.owner, completion)
    this.owner.holdings?.arrived(this)
  }

  #fail(error: unknown): void {
    this.#disappoint(error)
    this.state = 'released'
    this.#settle(undefined)
    this.owner.holdings?.arrived(this)
  }

  /** Its callers hear of it, unless they were told something else. */
  #disappoint(error: unknown): void {
    if (this.#refusal === undefined) this.#turnAway(error)
    else this.#reportLate(error, this.#refusal.error)
  }

  #refuse(error: unknown): void {
    this.#refusal ??= { error }
    this.#turnAway(error)
  }

  #turnAway(error: unknown): void {
    this.owner.holdings?.forget(this)
    // Nobody may be waiting: that is no reason for an unhandled rejection.
    this.promise.catch(ignore)
    this.#reject(error)
  }

  #missed(error: unknown, reason: unknown): void {
    if (this.heard) return
    this.heard = true
    this.#reportLate(error, reason)
  }

  /** @param told what its callers were told instead */
  #reportLate(error: unknown, told: unknown): void {
    const { owner, name } = this
    // What had its time may end with the scope later.
    const stopped = owner.cancellation?.cause
    const isKnown = isEcho(error, told) || (stopped && isEcho(error, stopped.reason))
    if (isKnown !== true) owner.report(error, name, true)
  }

  /** What came and can be given to nobody is released at once. */
  #check(value: unknown, owes: boolean): void {
    try {
      refuseThenable(this.name, value)
      if (owes && this.#piles) throw piled(this.name)
    } catch (error) {
      this.#givenUp ??= Completion.unknown.fail(error, true)
      this.#disappoint(error)
    }
  }

  /**
   * Nothing leads from here to those who asked, so that a long-lived resource keeps no request.
   * @param owed its release, until which it is watched
   */
  #settle(owed: Finalizer | undefined): void {
    if (owed === undefined && detection.followed > 0) forgetNote(this)
    underway.count -= 1
    this.#stopTimer()
    this.waitsFor = undefined
    this.releasedAfter = undefined
    this.dependent = undefined
    this.#lenders = undefined
    this.#registered = undefined
  }
}
