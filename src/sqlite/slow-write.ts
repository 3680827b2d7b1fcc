/**
 * A transaction that is held across awaits keeps every other writer waiting. Held for too long, it is reported once, with
 * where it was acquired: to the `onError` of the scope that holds it or in which it was acquired, else as a process warning.
 */
import { exactNow } from '../core/deadline.ts'
import { title } from '../core/misuse.ts'
import { ScopeNode } from '../core/scope.ts'
import { linesOf, type Origin } from './origin.ts'
import type { Transaction } from './transaction.ts'

export class SlowWrite {
  readonly #file: string
  /** Milliseconds. */
  readonly #limit: number
  #held: Transaction | undefined = undefined
  #origin: Origin | undefined = undefined
  #since = 0
  /** One for all transactions: it runs on from one to the next, which costs less than to set it back for each. */
  #timer: ReturnType<typeof setTimeout> | undefined = undefined

  constructor(file: string, limit: number) {
    this.#file = file
    this.#limit = limit
  }

  start(transaction: Transaction, origin: Origin | undefined): void {
    this.#held = transaction
    this.#origin = origin
    this.#since = exactNow()
    if (this.#timer === undefined) this.#lookIn(this.#limit)
  }

  stop(): void {
    this.#held = undefined
    this.#origin = undefined
  }

  close(): void {
    clearTimeout(this.#timer)
  }

  #lookIn(ms: number): void {
    this.#timer = setTimeout(() => this.#look(), ms).unref()
  }

  #look(): void {
    this.#timer = undefined
    if (this.#held === undefined) return
    const left = this.#limit - (exactNow() - this.#since)
    if (left > 0) this.#lookIn(Math.ceil(left))
    else this.#report(this.#held, this.#origin)
  }

  #report({ lender, ticket }: Transaction, origin: Origin | undefined): void {
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
