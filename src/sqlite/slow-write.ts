/**
 * A transaction that is held across awaits keeps every other writer waiting. Held for too long, it is reported once, with
 * where it was acquired: to the `onError` of the scope that holds it, else as a process warning.
 */
import { title } from '../core/misuse.ts'
import { ScopeNode } from '../core/scope.ts'
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
    const message = `A write transaction on "${this.#file}" has been held${holder} for more than ${this.#limit} ms, and every other writer waits for it.${site} Do what is slow before it begins or after its commit; the option \`slowWrite\` sets the limit.`
    const warning = new SlowWriteWarning(message, detail)
    if (lender instanceof ScopeNode && lender.settings.onError !== undefined) {
      lender.report(warning, 'sqlite transaction', false)
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
