/**
 * A transaction that is held across awaits keeps every other writer waiting. Held for too long, it is reported once, as
 * a process warning, with where it was acquired.
 */
import { title } from '../core/misuse.ts'
import type { Scope } from '../core/types.ts'
import { linesOf, type Origin } from './origin.ts'

interface Held {
  readonly lender: Scope | undefined
  readonly origin: Origin | undefined
}

export class SlowWrite {
  readonly #file: string
  /** Milliseconds. */
  readonly #limit: number
  #held: Held | undefined = undefined
  /** One for all transactions: made at the first, set back by each, and harmless when nothing is held. */
  #timer: ReturnType<typeof setTimeout> | undefined = undefined

  constructor(file: string, limit: number) {
    this.#file = file
    this.#limit = limit
  }

  start(lender: Scope | undefined, origin: Origin | undefined): void {
    this.#held = { lender, origin }
    if (this.#timer === undefined) this.#timer = setTimeout(() => this.#look(), this.#limit).unref()
    else this.#timer.refresh()
  }

  stop(): void {
    this.#held = undefined
  }

  close(): void {
    clearTimeout(this.#timer)
  }

  #look(): void {
    if (this.#held !== undefined) this.#report(this.#held)
  }

  #report({ lender, origin }: Held): void {
    const holder = lender === undefined ? '' : ` by the scope ${title(lender)}`
    const detail = linesOf(origin)
    const site = detail === '' ? '' : ` It was acquired ${detail.split('\n', 1)[0]}.`
    process.emitWarning(
      `A write transaction on "${this.#file}" has been held${holder} for more than ${this.#limit} ms, and every other writer waits for it.${site} Do what is slow before it begins or after its commit; the option \`slowWrite\` sets the limit.`,
      { type: 'UnwindWarning', code: 'UNWIND_SLOW_WRITE', detail },
    )
  }
}
