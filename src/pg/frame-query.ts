/**
 * A BEGIN, or its end, as a query of the driver: of its answer only the command counts. What the driver makes ready for
 * rows and fields costs more than all else that is done for such a statement.
 */
import type { Answer, DriverClient } from './driver.ts'

/** Not the native driver, nor one that pipelines, nor what only looks like a client. */
export function takesFrameQueries({ connection, native, pipeline }: DriverClient): boolean {
  return native === undefined && pipeline !== true && typeof connection?.query === 'function'
}

/** What `pg` asks of an object given to `client.query`, as `pg-cursor` gives it one. */
export class FrameQuery {
  readonly text: string
  /** The driver puts its own around it where it has a `query_timeout`. */
  callback: Answer
  #command = ''

  constructor(text: string, callback: Answer) {
    this.text = text
    this.callback = callback
  }

  submit(connection: { query(text: string): void }): void {
    connection.query(this.text)
  }

  handleCommandComplete({ text }: { readonly text: string }): void {
    this.#command = text
  }

  handleReadyForQuery(): void {
    this.callback(null, { command: this.#command, rowCount: null, rows: [], fields: [] })
  }

  handleError(error: Error): void {
    this.callback(error, [])
  }
}
