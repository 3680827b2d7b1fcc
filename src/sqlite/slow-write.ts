/**
 * A transaction that is held across awaits keeps every other writer waiting. Held for too long, it is reported once, as
 * a process warning. Where it began costs a stack trace, so that is known from the second report on.
 */
import { title } from '../core/misuse.ts'
import type { Scope } from '../core/types.ts'

export class SlowWrite {
  readonly #file: string
  /** Milliseconds. */
  readonly #limit: number
  #timer: ReturnType<typeof setTimeout> | undefined = undefined
  #reported = false

  constructor(file: string, limit: number) {
    this.#file = file
    this.#limit = limit
  }

  start(lender: Scope | undefined): void {
    const origin = this.#reported ? new Error('It was acquired here').stack : undefined
    this.#timer = setTimeout(() => this.#report(lender, origin), this.#limit).unref()
  }

  stop(): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #report(lender: Scope | undefined, origin: string | undefined): void {
    this.#reported = true
    const holder = lender === undefined ? '' : ` by the scope ${title(lender)}`
    process.emitWarning(
      `A write transaction on "${this.#file}" has been held${holder} for more than ${this.#limit} ms, and every other writer waits for it. Do what is slow before it begins or after its commit; the option \`slowWrite\` sets the limit.`,
      { type: 'UnwindWarning', code: 'UNWIND_SLOW_WRITE', ...(origin && { detail: origin }) },
    )
  }
}
