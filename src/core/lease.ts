/**
 * A handle that is dead after its release. `Held` is the plain one; drivers build their own on the same rule: the
 * reference is `#private`, cut before the release begins, and a use after that names what was used.
 */
import { Completion } from './completion.ts'
import { ambient, outermostFrame } from './context.ts'
import { ignore } from './dispose.ts'
import { DisposedError } from './errors/errors.ts'
import { usedAfterRelease } from './watching/events.ts'
import {
  callWithValue,
  Finalizer,
  knowDisposer,
  push,
  type Source,
  type Traits,
} from './finalizers.ts'
import { Kind, Ticket, ticketFor } from './watching/held.ts'
import { scopeClosed, title, warnUnthrown } from './misuse.ts'
import { checkFunction, checkOptions, longestDelay, milliseconds, text } from './options.ts'
import { defaults } from './settings.ts'
import type { Held, Scope } from './types.ts'
import { unwind, Unwinding, whenEnded, type Unwindable } from './unwinding.ts'

interface Options {
  name?: string
  disposeTimeout?: number
}

const rules = { name: text, disposeTimeout: milliseconds }

/**
 * Anything with a close, for `await using`. Released once; a second dispose waits for the first.
 *
 * @example
 * ```ts
 * await using redis = hold(client, (client) => client.quit())
 * await redis.value.get('key')
 * ```
 * @param options.name default `value`
 * @param options.disposeTimeout milliseconds, also in a scope; disposing then rejects with `ERR_DISPOSE_TIMEOUT`. Default
 *   5_000, or what a scope that holds it has for each release, if that is less.
 * @throws {TypeError} for unknown or wrong options
 */
export function hold<T>(value: T, release: (value: T) => unknown, options?: Options): Held<T> {
  checkFunction('the second argument of hold()', release)
  checkOptions('hold()', options, rules)
  prepared ??= Hold.prepare()
  const name = options?.name ?? 'value'
  const list = new Holding(name, options?.disposeTimeout)
  push(list, new Finalizer(callWithValue, value, release, list))
  const ticket = ticketFor(kindOf(name))
  const held = new Hold<T>(list, ticket)
  ticket?.held(held)
  return held
}

/**
 * What a use after release throws.
 * @param what the handle in words, such as `The lease of the pool "orders"`
 * @param cause the ScopeClosedError, where a scope released it
 */
export function disposedError(what: string, cause?: unknown): DisposedError {
  const advice =
    'Use it inside the block or scope that holds it, and await everything it started there.'
  return deadHandle(what, `was used after its release. ${advice}`, cause)
}

/** The same, of a transaction that its holder has committed: that may be inside of its block. */
export function committedError(what: string): DisposedError {
  const advice =
    'Await what belongs to it before you commit it, and begin another one for what comes later.'
  return deadHandle(what, `was used after its commit. ${advice}`, undefined)
}

/** The same, of a transaction that was open when what it ran on ended. */
export function endedWithin(what: string, cause: unknown): DisposedError {
  const said = 'was rolled back because its connection, or the transaction around it, ended first.'
  return deadHandle(what, `${said} End transactions before what they run on.`, cause)
}

function deadHandle(what: string, said: string, cause: unknown): DisposedError {
  if (usedAfterRelease.hasSubscribers) usedAfterRelease.publish({ lease: what })
  return new DisposedError(`${what} ${said}`, cause === undefined ? undefined : { cause })
}

/** What disposing something throws that a scope lends. */
export function lentError(what: string, lender: Scope): TypeError {
  return new TypeError(
    `${what} is lent by the scope ${title(lender)}, which releases it when it closes. Do not dispose it; acquire one of your own where it has to end earlier.`,
  )
}

/** The same, of a disposal that is waited for. */
export function refuseLent(what: string, lender: Scope): Promise<never> {
  return Promise.reject(lentError(what, lender))
}

/** The scope that releases what is released now: it does so without saying that it was that. */
export function closingScope(): Scope | undefined {
  const scope = ambient()?.scope
  return scope?.state === 'open' ? undefined : scope
}

let prepared: readonly object[] | undefined

/** Each may live as long as the program: only its scope says when it should have been released. */
const kinds = new Map<string, Kind>()

/** Names are looked up once, as far as they are few. */
function kindOf(name: string): Kind {
  const known = kinds.get(name)
  if (known !== undefined) return known
  const kind = new Kind(name, { leakAfter: Infinity })
  if (kinds.size < 100) kinds.set(name, kind)
  return kind
}

/** A list of one: what is held, how long its release may take, and what it is called. */
class Holding implements Unwindable, Source, Traits {
  completion: Completion = Completion.success
  newest: Finalizer | undefined = undefined
  unwinding: Unwinding | undefined = undefined
  onFulfilled: Unwindable['onFulfilled'] = undefined
  onRejected: Unwindable['onRejected'] = undefined
  readonly scope = undefined
  readonly name: string
  readonly disposeTimeout: number
  /** For a scope that releases it. Where it has a bound of its own, it keeps that itself. */
  readonly #inScope: Traits['disposeTimeout']

  constructor(name: string, own: number | undefined) {
    this.name = name
    this.disposeTimeout = own ?? defaults.disposeTimeout
    this.#inScope = own === undefined ? undefined : longestDelay
  }

  get definition(): Traits {
    return this
  }

  get inScope(): Source {
    return { definition: { name: this.name, disposeTimeout: this.#inScope } }
  }

  report(error: unknown): void {
    warnUnthrown(error, this.name)
  }

  get disposed(): boolean {
    return this.newest === undefined && this.unwinding === undefined
  }

  finish(): void {
    this.unwinding = undefined
  }
}

class Hold<T> implements Held<T> {
  readonly #list: Holding
  #disposing = false
  #closedBy: Scope | undefined = undefined
  readonly #ticket: Ticket | undefined

  constructor(list: Holding, ticket: Ticket | undefined) {
    this.#list = list
    this.#ticket = ticket
  }

  get value(): T {
    const { newest, name } = this.#list
    // What is still to be released is what it was made with.
    if (newest !== undefined) return newest.value as T
    const scope = this.#closedBy
    throw disposedError(`The held "${name}"`, scope && scopeClosed(scope, 'value', undefined))
  }

  [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposing) return whenEnded(this.#list)
    // Its release disposes it again, and would wait for itself.
    if (this.#list.newest === undefined) return Promise.resolve()
    this.#closedBy = closingScope()
    this.#ticket?.released()
    const disposing = unwind(this.#list)
    this.#disposing = true
    return disposing
  }

  /**
   * With the first one, and not when the class is made: then no bundle could leave it out where nothing is held.
   * @returns one of each of what every other one makes and drops (docs/decisions/shapes-that-stay.md)
   */
  static prepare(): readonly object[] {
    knowDisposer(this.prototype[Symbol.asyncDispose], this.#sourceOf)
    const list = new Holding('example', undefined)
    const finalizer = new Finalizer(callWithValue, undefined, ignore, list)
    return outermostFrame.runInAsyncScope(() => {
      const ticket = new Ticket(kindOf('value'))
      // Nobody holds it: nor is it watched.
      ticket.released()
      return [new Hold(list, ticket), finalizer, new Unwinding(list)]
    })
  }

  static #sourceOf(this: void, handle: object): Source | undefined {
    if (!(#list in handle)) return undefined
    // Whoever acquired it has handed it on, perhaps to a scope around theirs.
    handle.#ticket?.lend()
    return handle.#list.inScope
  }
}
