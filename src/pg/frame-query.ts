/**
 * A BEGIN, or its end, as a query of the driver: of its answer only the command counts. What the driver makes ready for
 * rows and fields costs more than all else that is done for such a statement.
 */
import type { Answer, DriverClient } from './driver.ts'

/** Not the native driver, nor one that pipelines, nor what only looks like a client, nor where somebody stands between. */
export function takesFrameQueries(client: DriverClient): boolean {
  const { connection, native, pipeline } = client
  const isDriver = native === undefined && typeof connection?.query === 'function'
  return isDriver && pipeline !== true && hasDriversQuery(client)
}

/**
 * Whether `query` is the method of the driver's class. Who overrides it, or puts a function in its place as tracers do,
 * may count on a text, and on a callback to put theirs around. Before pg 8.21 it is not known.
 */
function hasDriversQuery(client: DriverClient): boolean {
  let owner: { readonly query: object } | null = client
  while (owner !== null && !Object.hasOwn(owner, 'getTransactionStatus')) {
    owner = Object.getPrototypeOf(owner) as typeof owner
  }
  // A method of a class is no constructor; a function is.
  return owner !== null && owner.query === client.query && !Object.hasOwn(owner.query, 'prototype')
}

/** What `pg` asks of an object given to `client.query`, as `pg-cursor` gives it one. */
export class FrameQuery {
  readonly text: string
  /** Given by the driver, which puts its own around it where it has a `query_timeout`. */
  callback: Answer | undefined = undefined
  #command = ''

  constructor(text: string) {
    this.text = text
  }

  submit(connection: { query(text: string): void }): void {
    connection.query(this.text)
  }

  handleCommandComplete({ text }: { readonly text: string }): void {
    this.#command = text
  }

  handleReadyForQuery(): void {
    this.callback?.(null, { command: this.#command, rowCount: null, rows: [], fields: [] })
  }

  handleError(error: Error): void {
    this.callback?.(error, [])
  }
}
