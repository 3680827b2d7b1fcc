/**
 * How a scope ends: success, failure, aborted or unknown, as changed by what fails on the way out. Errors combine as
 * nested `await using` combines them, and none is lost.
 */
import { holds } from './errors/attempt.ts'
import { isObject, suppress } from './dispose.ts'
import { ScopeIncompleteError, UnwindError } from './errors/errors.ts'
import { isAggregate, isError } from './errors/format.ts'
import { title, type Named } from './misuse.ts'
import { rememberOrigin } from './errors/origin.ts'
import type { Outcome } from './outcome.ts'
import { isSuppressedError, suppressionChain } from './standard/suppressed-error.ts'

// Whatever was thrown is known again by this: NaN too, and `undefined` where it is there.
const { is } = Object

/** `undefined` can be thrown too, hence the object around it. */
export interface Failure {
  readonly error: unknown
}

/** A value: what happens next makes another one. Most scopes need none of their own. */
export class Completion {
  static readonly unknown: Completion = new Completion('unknown')
  static readonly success: Completion = new Completion('success')

  readonly status: Outcome['status']
  /** The chain so far. `undefined` can be an error too, hence the flag beside it. */
  readonly error: unknown
  readonly failed: boolean
  readonly reason: unknown
  /** Whether closing rejects: not for an error that was only announced by `fail()`. */
  readonly throws: boolean

  constructor(
    status: Outcome['status'],
    error?: unknown,
    failed = false,
    reason?: unknown,
    throws = false,
  ) {
    this.status = status
    this.error = error
    this.failed = failed
    this.reason = reason
    this.throws = throws
  }

  succeed(): Completion {
    return this.failed ? this : Completion.success
  }

  abort(reason: unknown): Completion {
    return new Completion('aborted', this.error, this.failed, reason, this.throws)
  }

  /** The body's error. After an abort the outcome stays `aborted`; what was thrown is thrown, whatever is announced later. */
  fail(error: unknown, thrown: boolean): Completion {
    const status = this.status === 'aborted' ? 'aborted' : 'failure'
    return new Completion(status, error, true, this.reason, this.throws || thrown)
  }

  /** An error that came after what is known, and is news unless it is the same. */
  failAgain(error: unknown, thrown: boolean): Completion {
    return this.fail(error === this.error ? error : this.#outside(error), thrown)
  }

  /**
   * What a release threw, outside of what came before, or in its place.
   * @param release the name of what was released, where it has one
   */
  add(thrown: unknown, release?: string): Completion {
    if (Answer.is(thrown)) return this.#answered(thrown, release)
    if (release !== undefined && thrown !== this.error) rememberOrigin(thrown, release)
    return this.fail(this.#outside(thrown), true)
  }

  /**
   * Thrown again, through an `await using` that failed: only those failures are news. With `given` as its cause: another
   * form of that. Anything else is a failing release.
   */
  #answered({ error, given }: Answer, release: string | undefined): Completion {
    const chain = suppressionChain(error)
    const end = chain.findIndex((link) => is(link, given))
    if (end !== -1) {
      const news = chain.slice(0, end).filter(isSuppressedError)
      return news.reduceRight<Completion>((so, link) => so.add(link.error, release), this)
    }
    if (!isCausedBy(chain.at(-1), given)) return this.add(error, release)
    return this.fail(is(this.error, given) ? error : this.#outside(error), true)
  }

  /** What a scope further in threw, which may be no more than the failure that both had begun with. */
  inherit(error: unknown): Completion {
    const so = this.add(this.failed ? new Answer(error, this.error) : error)
    return so.fail(so.error, true)
  }

  /** What a generator resource sees thrown at its `yield`, unless the outcome is success. */
  thrownIn(scope: Named): unknown {
    if (this.status === 'failure') return this.error
    if (this.status === 'aborted') return this.reason
    return new ScopeIncompleteError(
      `The scope ${title(scope)} was left without complete(), so its outcome is unknown. Call scope.complete() as the last step of the block.`,
    )
  }

  /** The body, or a task, may still be using what it was given. */
  get abandoned(): boolean {
    return this.failed && holds(() => [...partsOf(this.error)].some(isAbandoned))
  }

  #outside(error: unknown): unknown {
    return this.failed ? suppress(error, this.error) : error
  }
}

/** How somebody is told that what ran was left behind. */
export function isAbandoned(error: unknown): boolean {
  return holds(() => error instanceof UnwindError && error.code === 'ERR_ABANDONED')
}

/** What failed, one by one: the links of chains, and those that failed side by side. */
function partsOf(error: unknown): Set<unknown> {
  const parts = new Set([error])
  // What is added is looked at, too.
  for (const at of parts) {
    if (isSuppressedError(at)) parts.add(at.error).add(at.suppressed)
    else if (isError(at) && isAggregate(at)) for (const part of at.errors) parts.add(part)
  }
  return parts
}

function isCausedBy(error: unknown, cause: unknown): boolean {
  return holds(() => isError(error) && 'cause' in error && is(error.cause, cause))
}

/** What a release throws at which `given` was thrown, where it is not just that. */
export class Answer {
  readonly error: unknown
  readonly #given: unknown

  constructor(error: unknown, given: unknown) {
    this.error = error
    this.#given = given
  }

  get given(): unknown {
    return this.#given
  }

  /** Not by its class: what was thrown may be a proxy, which can refuse to be asked for that. */
  static is(thrown: unknown): thrown is Answer {
    return isObject(thrown) && #given in thrown
  }
}

/** The error itself, for those who are not told how it came about. */
export function plain(thrown: unknown): unknown {
  return Answer.is(thrown) ? thrown.error : thrown
}

/** The outcome as one release sees it, with the signal of that release. */
export class ReleaseExit {
  readonly status: Outcome['status']
  declare readonly error?: unknown
  declare readonly reason?: unknown
  #controller: AbortController | undefined = undefined

  constructor({ status, error, failed, reason }: Completion) {
    this.status = status
    if (status === 'aborted') this.reason = reason
    if (failed) this.error = error
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    return this.#controller.signal
  }

  expire(reason: unknown): void {
    this.#controller ??= new AbortController()
    this.#controller.abort(reason)
  }
}
