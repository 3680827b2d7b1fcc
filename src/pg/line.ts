/**
 * The statements of one connection, one at a time and in the order of the calls. While somebody holds the line, only
 * that one's statements are sent.
 */
import type { Statement } from './statement.ts'

export class Line {
  /** The one that was sent. */
  running: Statement | undefined = undefined
  #waiting: Statement[] = []
  /** While above zero, nothing is taken from those who wait. */
  #holds = 0
  readonly #send: (statement: Statement) => void

  constructor(send: (statement: Statement) => void) {
    this.#send = send
  }

  get held(): boolean {
    return this.#holds > 0
  }

  /** @param ready the server waits for a statement */
  add(statement: Statement, ready: boolean): void {
    if (ready && this.running === undefined && this.#holds === 0) this.#send(statement)
    else this.#waiting.push(statement)
  }

  /** The server waits for a statement: the next one is sent, unless somebody holds the line. */
  advance(): void {
    if (this.running !== undefined || this.#holds > 0) return
    const next = this.#waiting.shift()
    if (next !== undefined) this.#send(next)
  }

  remove(statement: Statement): void {
    this.#waiting = this.#waiting.filter((waiting) => waiting !== statement)
  }

  /**
   * Reject those who wait, because their connection or transaction is released; what runs is about to be ended.
   * Whoever started one and does not wait for it is not told.
   */
  refuse(why: () => unknown): void {
    this.running?.disown(why)
    for (const statement of this.#waiting) statement.disown(why)
    this.rejectAll(why)
  }

  rejectAll(error: () => unknown): void {
    for (const statement of this.#waiting.splice(0)) statement.reject(error())
  }

  hold(): void {
    this.#holds += 1
  }

  letGo(): void {
    this.#holds -= 1
  }
}
