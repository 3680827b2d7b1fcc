/**
 * A transaction that is held across awaits keeps every other writer waiting. Held for too long, it is reported once, with
 * where it was acquired: to the `onError` of the scope that holds it or in which it was acquired, else as a process warning.
 */
// Not the global one, which tests replace: it would not go by the clock that it is compared with, nor after the test.
import { clearTimeout, setTimeout } from 'node:timers'
import { exactNow } from '../core/deadline.ts'
import { title } from '../core/misuse.ts'
import { ScopeNode } from '../core/scope.ts'
import { linesOf } from './origin.ts'
import type { Transaction } from './transaction.ts'

export class SlowWrite {
  readonly #file: string
  /** Milliseconds. */
  readonly #limit: number
  readonly #held: () => Transaction | undefined
  /** One for all transactions: it runs on from one to the next, which costs less than to set it back for each. */
  #timer: ReturnType<typeof setTimeout> | undefined = undefined

  /** @param held the transaction that is open, asked for when it is time: to note each one would cost more */
  constructor(file: string, limit: number, held: () => Transaction | undefined) {
    this.#file = file
    this.#limit = limit
    this.#held = held
  }

  /** One begins. */
  start(): void {
    if (this.#timer === undefined) this.#lookIn(this.#limit)
  }

  close(): void {
    clearTimeout(this.#timer)
  }

  #lookIn(ms: number): void {
    this.#timer = setTimeout(() => this.#look(), ms).unref()
  }

  #look(): void {
    this.#timer = undefined
    const held = this.#held()
    if (held?.since === undefined) return
    const left = this.#limit - (exactNow() - held.since)
    if (left > 0) this.#lookIn(Math.ceil(left))
    else this.#report(held)
  }

  #report({ lender, ticket, origin }: Transaction): void {
    // What somebody owns is theirs who acquired it, so far as leak detection knows that.
    const scope = lender ?? ticket?.scope
    const how = lender === undefined ? 'in' : 'by'
    const holder = scope === undefined ? '' : ` ${how} the scope ${title(scope)}`
    const detail = linesOf(origin)
    const site = detail === '' ? '' : ` It was acquired ${detail.split('\n', 1)[0]}.`
    const message = `A write transaction on "${this.#file}" has been held${holder} for more than ${this.#limit} ms, and every other writer waits for it.${site} Do what is slow before it begins or after its commit; the option \`slowWrite\` sets the limit.`
    const warning = new SlowWriteWarning(message, detail)
    if (scope instanceof ScopeNode && scope.settings.onError !== undefined) {
      scope.report(warning, 'sqlite transaction', false)
    } else process.emitWarning(warning)
  }
}

/** Nothing has failed yet. */
class SlowWriteWarning extends Error {
  override readonly name = 'UnwindWarning'
  readonly code = 'UNWIND_SLOW_WRITE'
  readonly detail: string

  constructor(message: string, detail: string) {
    super(message)
    this.detail = detail
  }
}
