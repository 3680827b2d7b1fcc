/** What a statement is, and what it gives: the same on leases, transactions, savepoints and pools. */

/** The result of a statement, in the shape of the driver. */
export interface PgQueryResult<Row> {
  /** As the driver parsed them: objects, or arrays with `rowMode`. */
  readonly rows: Row[]
  /** Rows that were given, inserted, changed or deleted; `null` for what counts none. */
  readonly rowCount: number | null
  /** The first word of the statement: `SELECT`. */
  readonly command: string
  /** The columns, each with the OID of its type. */
  readonly fields: readonly { readonly name: string; readonly dataTypeID: number }[]
}

/** What may end a statement early. */
export interface PgQueryOptions {
  /**
   * Aborting cancels the statement on the server; the promise rejects with the signal's reason once the connection can be
   * used again. A transaction in which it ran has failed. Outside of one, what had finished on the server stays done.
   */
  signal?: AbortSignal
}

/** A statement as an object, as the driver takes it. */
export interface PgQueryConfig {
  /** The SQL. */
  text: string
  /** For `$1`, `$2` and so on. Default: none. */
  values?: readonly unknown[]
  /** Prepared once for each connection under this name. */
  name?: string
  /** Rows as arrays. */
  rowMode?: 'array'
}

/** What leases, transactions, savepoints and pools have in common. */
export interface PgQueryable {
  /**
   * Statements on one connection run one after another, in the order of the calls. Rejects with the driver's error, with
   * the signal's reason, and, where nothing was sent, with `ERR_DISPOSED` (the handle was released),
   * `ERR_PG_CONNECTION_LOST`, `ERR_PG_CURSOR_OPEN` (a cursor has the lease to itself), `ERR_PG_TRANSACTION_OPEN` (it would
   * end a transaction behind its handle), `ERR_PG_TRANSACTION_ENDED` or `ERR_PG_TRANSACTION_POOLING`.
   */
  // oxlint-disable-next-line typescript/no-explicit-any -- what a row is, only the statement knows
  query<Row = any>(
    text: string,
    values?: readonly unknown[],
    options?: PgQueryOptions,
  ): Promise<PgQueryResult<Row>>
  // oxlint-disable-next-line typescript/no-explicit-any -- what a row is, only the statement knows
  query<Row = any>(config: PgQueryConfig, options?: PgQueryOptions): Promise<PgQueryResult<Row>>
}
