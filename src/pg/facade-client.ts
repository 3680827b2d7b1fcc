/**
 * A connection as query builders know it. Transactions that they begin and end by statements are ours, so that one inside
 * of another is a savepoint, and nobody ends a transaction that somebody else began.
 */
import { AsyncResource } from 'node:async_hooks'
import type { EventEmitter } from 'node:events'

import { ignore } from '../core/dispose.ts'
import { isError } from '../core/errors/format.ts'
import { disposedError } from '../core/lease.ts'
import type { TransactionStatus } from './driver.ts'
import { chained, notBegunHere, transactionOpen } from './errors.ts'
import { isSubmittable, redirect, settle } from './facade-cursor.ts'
import { checkJoined } from './joining.ts'
import type { Lease } from './lease.ts'
import type { Transaction } from './transaction.ts'
import type { PgQueryConfig, PgQueryResult, PgTransactionOptions } from './types.ts'
import { beginOptions, orderOf, type Order } from './words.ts'

export type Result = PgQueryResult<unknown>
export type ResultCallback = (error: Error | null, result?: Result) => void

/**
 * @param error close the connection
 * @param begun the last transaction, which may be open, or on its way
 */
type OnRelease = (
  error: Error | undefined,
  begun: Transaction | Promise<Transaction> | undefined,
) => void

type Listener = (...args: unknown[]) => void

interface Listening {
  readonly event: string
  readonly listener: Listener
  /** Take it back, also from a connection that is not the client's any more. */
  readonly stop: () => void
}

export class FacadeClient {
  /** The transaction in which it works, or its lease; `undefined` once released. */
  #host: Lease | Transaction | undefined
  #begun: Transaction | undefined = undefined
  /** Until it has begun: what is told meanwhile is meant for it. */
  #beginning: Promise<Transaction> | undefined = undefined
  readonly #onRelease: OnRelease
  #listeners: Listening[] = []

  /** @param onRelease what a release does to the lease, where it is this client's own */
  constructor(host: Lease | Transaction, onRelease: OnRelease) {
    this.#host = host
    this.#onRelease = onRelease
  }

  /** For those who end what runs by it. */
  get processID(): number | null | undefined {
    return this.#host?.usable().client.processID
  }

  /** That of its connection, as the driver has it, in every version of that. */
  getTransactionStatus(): TransactionStatus | null {
    return this.#current().usable().status
  }

  escapeIdentifier(name: string): string {
    return this.#current().usable().client.escapeIdentifier(name)
  }

  escapeLiteral(text: string): string {
    return this.#current().usable().client.escapeLiteral(text)
  }

  /** It is connected. */
  connect(callback?: (error: Error | null, client?: this) => void): Promise<this> | undefined {
    return settle(Promise.resolve(this), callback)
  }

  query(first: unknown, second?: unknown, third?: unknown): unknown {
    if (isSubmittable(first)) {
      redirect(first, this.#current())
      return first
    }
    const [values, callback] = typeof second === 'function' ? [undefined, second] : [second, third]
    const result = this.run(first, values)
    // The driver's own signature.
    return settle(result, callback as ResultCallback | undefined)
  }

  /** It is dead from now on. `error`: close the connection. A second time does nothing. */
  release(error?: unknown): void {
    if (this.#host === undefined) return
    this.removeAllListeners()
    this.#host = undefined
    this.#onRelease(error ? asError(error) : undefined, this.#beginning ?? this.#begun)
  }

  /** What it works on is not its own to end. */
  end(callback?: (error: Error | null) => void): Promise<void> | undefined {
    this.release()
    return settle(Promise.resolve(), callback)
  }

  on(event: string, listener: Listener): this {
    return this.#listen('on', event, listener)
  }

  addListener(event: string, listener: Listener): this {
    return this.#listen('on', event, listener)
  }

  once(event: string, listener: Listener): this {
    return this.#listen('once', event, listener)
  }

  off(event: string, listener: Listener): this {
    return this.removeListener(event, listener)
  }

  removeListener(event: string, listener: Listener): this {
    const at = this.#listeners.findLastIndex(
      (one) => one.event === event && one.listener === listener,
    )
    for (const { stop } of at === -1 ? [] : this.#listeners.splice(at, 1)) stop()
    return this
  }

  removeAllListeners(event?: string): this {
    for (const one of this.#listeners.filter(
      (each) => event === undefined || each.event === event,
    )) {
      this.removeListener(one.event, one.listener)
    }
    return this
  }

  /**
   * What is no statement is told by the one who checks it. The promise of the host itself: where a release ends what nobody
   * awaits, that is no unhandled rejection.
   */
  run(first: unknown, values: unknown): Promise<Result> {
    try {
      const text = textOf(first)
      const order = text === undefined ? undefined : orderOf(text)
      if (this.#beginning !== undefined) {
        return this.#endable(this.#runBehind(this.#beginning, first, values), order)
      }
      if (order !== undefined) return this.#endable(this.#obey(order), order)
      // Checked by the callee.
      if (typeof first === 'string') return this.#current().query(first, values as unknown[])
      // Checked by the callee, too. What a class defines is not copied by itself.
      const isWhole = values === undefined || values === null
      const config = isWhole ? first : { ...(first as PgQueryConfig), text, values }
      return this.#current().query(config as PgQueryConfig)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** The same for what is not the host's own promise; but whoever commits has to be told. */
  #endable(work: Promise<Result>, order: Order | undefined): Promise<Result> {
    if (order?.word === 'commit') return work
    const told = this.#tell(work, () => void told.catch(ignore))
    return told
  }

  /** @param disown called where it failed with its client or host */
  async #tell(work: Promise<Result>, disown: () => void): Promise<Result> {
    try {
      return await work
    } catch (error) {
      if (this.#host === undefined || isOver(this.#host)) disown()
      throw error
    }
  }

  async #runBehind(beginning: Promise<unknown>, first: unknown, values: unknown): Promise<Result> {
    await beginning.catch(ignore)
    return await this.run(first, values)
  }

  async #obey({ word, text, chains }: Order): Promise<Result> {
    const host = this.#current()
    if (word === 'begin') {
      await this.#beginOne(text)
    } else if (this.#begun !== undefined) {
      if (chains) throw chained(text)
      await this.#begun[word]()
      this.#begun = undefined
    } else {
      if (transactionOf(host) !== undefined) throw notBegunHere(text)
      return await host.query(text)
    }
    return { command: word.toUpperCase(), rowCount: null, rows: [], fields: [] }
  }

  async #beginOne(text: string): Promise<void> {
    this.#beginning = this.#begin(text)
    try {
      this.#begun = await this.#beginning
    } finally {
      this.#beginning = undefined
    }
  }

  /** A savepoint, where a transaction is open around it. */
  async #begin(text: string): Promise<Transaction> {
    const host = this.#current()
    const around = transactionOf(host)
    if (host === this.#begun || (around !== undefined && begunByClients.has(around))) {
      throw transactionOpen('A transaction was begun')
    }
    const options = beginOptions(text)
    // Without a transaction it is a lease.
    if (around === undefined) return await beginOn(host as Lease, options)
    await checkJoined(around, options, 'BEGIN')
    return await around.savepoint()
  }

  #current(): Lease | Transaction {
    if (this.#host === undefined) throw disposedError('The client')
    const state = this.#begun?.state
    return this.#begun !== undefined && (state === 'open' || state === 'failed')
      ? this.#begun
      : this.#host
  }

  #listen(method: 'on' | 'once', event: string, listener: Listener): this {
    const session = this.#host?.usable()
    if (session === undefined) return this
    // An event runs in the context of whoever opened the connection.
    const bound = AsyncResource.bind(listener)
    // A client of the driver is one.
    const emitter = session.client as unknown as EventEmitter
    emitter[method](event, bound)
    // Its connection may go back before it is released, if ever it is.
    const stop = session.changes.noteListening(() => emitter.removeListener(event, bound))
    this.#listeners.push({ event, listener, stop })
    return this
  }
}

/** What another client begins in one of these could be undone by the first, after its COMMIT. */
const begunByClients = new WeakSet<Transaction>()

function beginOn(lease: Lease, options: PgTransactionOptions): Promise<Transaction> {
  const beginning = lease.begin(options)
  // Before the first wait: another client may begin in the same tick.
  if (lease.transaction !== undefined) begunByClients.add(lease.transaction)
  return beginning
}

function transactionOf(host: Lease | Transaction): Transaction | undefined {
  return 'transaction' in host ? host.transaction : host
}

function isOver(host: Lease | Transaction): boolean {
  return 'transaction' in host ? host.disposed : host.ending
}

function textOf(statement: unknown): string | undefined {
  if (typeof statement === 'string') return statement
  const named = typeof statement === 'object' && statement !== null && 'text' in statement
  return named && typeof statement.text === 'string' ? statement.text : undefined
}

function asError(error: unknown): Error {
  return isError(error) ? error : new Error('Its user asked for its end.')
}
