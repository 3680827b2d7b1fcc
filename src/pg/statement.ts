/**
 * One statement on its way to the driver and back. It settles once; refused because its connection was released, it
 * is nobody's unhandled rejection.
 */
import { ignore } from '../core/dispose.ts'
import type { DriverResult } from './driver.ts'
import { isServerError } from './errors.ts'
import { follow } from './follow.ts'
import type { PgQueryConfig } from './types.ts'

/**
 * Whoever makes something of a statement's end, and hears of it before those who wait: where the socket was read, in the
 * context of the connection.
 */
export interface Step<T> {
  /** @returns what the statement's promise becomes */
  answered(result: DriverResult): T | Promise<T>
  /** @param sent the driver was given the statement */
  failed(error: unknown, sent: boolean): Promise<never>
}

export class Statement {
  readonly text: string | PgQueryConfig
  readonly values: readonly unknown[] | undefined
  /** Part of a transaction's frame, such as COMMIT: short, and not to be cancelled. */
  readonly control: boolean
  readonly promise: Promise<DriverResult>
  /** The driver was given it. */
  sent = false
  /** Its signal aborted: what the driver says no longer counts. */
  aborted = false
  /** What the server answered, whatever became of whoever asked. */
  result: DriverResult | undefined = undefined
  #why: (() => unknown) | undefined = undefined
  /** What ends the waiting for its signals. */
  #followed: (() => void)[] | undefined = undefined
  readonly #step: Step<unknown> | undefined
  #resolve: ((result: DriverResult | Promise<never>) => void) | undefined = undefined
  #reject: ((error: unknown) => void) | undefined = undefined

  constructor(
    text: string | PgQueryConfig,
    values: readonly unknown[] | undefined,
    control: boolean,
    step?: Step<unknown>,
  ) {
    this.text = text
    this.values = values
    this.control = control
    this.#step = step
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  /** Call `onAbort` when `signal` aborts, until the statement settles. */
  follow(signal: AbortSignal, onAbort: () => void): void {
    this.#followed ??= []
    this.#followed.push(follow(signal, onAbort))
  }

  resolve(result: DriverResult): void {
    this.#unfollow()
    // What a step makes of it, only its sender waits for.
    const end = this.#step === undefined ? result : (this.#step.answered(result) as DriverResult)
    this.#resolve?.(end)
  }

  reject(error: unknown): void {
    this.#unfollow()
    if (this.#step !== undefined) {
      this.#resolve?.(this.#step.failed(error, this.sent))
      return
    }
    // Who stands before the driver may have frozen it.
    if (!isServerError(error) || this.control || !Object.isExtensible(error)) {
      this.#reject?.(error)
      return
    }
    if (this.#why !== undefined) error.cause ??= this.#why()
    this.#resolve?.(retraced(error))
  }

  /**
   * A release ends it, and whoever started it and does not wait is not to be ended for that. Whoever does wait finds
   * the reason in the error's `cause`.
   */
  disown(why: (() => unknown) | undefined): void {
    this.#why = why
    this.promise.catch(ignore)
  }

  #unfollow(): void {
    if (this.#followed === undefined) return
    for (const leave of this.#followed) leave()
    this.#followed = undefined
  }
}

const turn: Promise<void> = Promise.resolve()

/**
 * Until the statement's promise has taken over the one that it was resolved with: from then on a stack leads to whoever
 * waits, and not to where the socket was read.
 */
export async function takenOver(): Promise<void> {
  await turn
  await turn
}

/** With a stack that leads to whoever waits. */
async function retraced(error: Error): Promise<never> {
  await takenOver()
  Error.captureStackTrace(error, retraced)
  throw error
}
