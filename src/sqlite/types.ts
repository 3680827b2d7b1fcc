/**
 * What users of SQLite see, whichever driver is below. What is owned is `& Disposable` or `& AsyncDisposable`; what a
 * scope lends has no disposal.
 */
import type { Resource } from '../core/types.ts'

/** How a file is opened, and how long others are waited for. */
export interface SqliteOptions {
  /**
   * How many read-only connections stand beside the one writer, opened when needed. Default 0: the writer also reads,
   * and such a reader sees what an open write transaction has changed so far. Ignored for `:memory:`.
   */
  readers?: number
  /**
   * WAL, `synchronous = NORMAL`, `foreign_keys = ON`. Default `true` for a path to a file; a `Database` of the caller
   * stays as the caller set it up, unless this is `true`.
   */
  defaults?: boolean
  /**
   * Milliseconds another process may keep the file busy. Default 0; for a `Database` of the caller, what it is set to.
   * `write()` waits for it without blocking the event loop; everything else that finds the file busy blocks it.
   */
  busyTimeout?: number
  /**
   * Milliseconds after which a write transaction held across awaits is reported: to the `onError` of the scope that holds it,
   * else as a process warning. Default 1_000.
   */
  slowWrite?: number
}

/** Pages of a running backup. */
export interface SqliteBackupProgress {
  /** Of the whole database. */
  readonly total: number
  /** Still to be copied. */
  readonly remaining: number
}

/** One file: a writer whose transactions take turns, and its readers. */
export interface SqliteDatabase {
  /**
   * A statement, prepared once for each SQL text. Rows are plain objects.
   * @throws `ERR_SQLITE_MISUSE` for BEGIN, COMMIT and the like; what SQLite says about a mistake in the SQL
   */
  // The row type is the caller's knowledge; `any` lets it be left out.
  // oxlint-disable-next-line typescript/no-explicit-any
  prepare<Row = any>(sql: string): SqliteStatement<Row>
  /**
   * Run a script. A transaction that it leaves open is rolled back.
   * @throws `ERR_SQLITE_BUSY` while a transaction is open, because it would become part of it, or while another process
   * holds the file; `ERR_SQLITE_MISUSE` for one that leaves a transaction open
   */
  exec(sql: string): void
  /**
   * A transaction that ends in this tick. One that is still open at the first `await` is rolled back, and its next use
   * throws `ERR_SQLITE_AWAIT`.
   * @throws `ERR_SQLITE_BUSY` while another transaction is open, or another process holds the file
   * @example
   * ```ts
   * using tx = db.begin()
   * tx.prepare('update account set balance = balance - ? where id = ?').run(10, 1)
   * tx.commit()
   * ```
   */
  begin(): SqliteTransaction & Disposable
  /**
   * A transaction that may await: waits its turn at the writer, first come first served, and then for other processes
   * up to `busyTimeout`. Rejects with the reason of `signal`, or with `ERR_SQLITE_BUSY` where another process holds the
   * file for longer or the request itself holds the writer.
   * @example
   * ```ts
   * await using tx = await db.write({ signal })
   * tx.prepare('insert into job (state) values (?)').run(await nextState())
   * tx.commit()
   * ```
   */
  write(options?: { signal?: AbortSignal }): Promise<SqliteTransaction & AsyncDisposable>
  /**
   * Begin, call `body`, commit; roll back if it throws. What the database itself runs meanwhile is part of it.
   * @throws {TypeError} for an async function, before calling it
   * @throws `ERR_SQLITE_BUSY` as `begin()`
   */
  transaction<R>(
    body: (tx: SqliteTransaction) => R & (R extends PromiseLike<unknown> ? never : unknown),
  ): R
  /**
   * A read-only connection of the reader set. Rejects with the reason of `signal`, or with `ERR_SQLITE_OPEN` where the
   * file was removed or replaced. What it changes by a PRAGMA or an ATTACH is gone with it; without `readers` that is
   * refused.
   */
  read(options?: { signal?: AbortSignal }): Promise<SqliteReader & AsyncDisposable>
  /**
   * A copy of the live database, as it was when the copying began, whatever became of its file. Aborting stops between
   * pages and leaves no file. Rejects with the reason of `signal`, `ERR_DISPOSED` where the database is disposed
   * meanwhile, `ERR_SQLITE_BUSY` where somebody else holds the file or writes its copy, or `ERR_SQLITE_BACKUP`.
   */
  backup(
    path: string,
    options?: { signal?: AbortSignal; onProgress?(done: SqliteBackupProgress): void },
  ): Promise<void>
}

/** What a statement changed. */
export interface SqliteChanges {
  /** Rows that it inserted, changed or deleted. */
  readonly changes: number | bigint
  /** The rowid of the last insert on this connection, be it by this statement or by an earlier one. */
  readonly lastInsertRowid: number | bigint
}

/** Dead with the transaction, the reader or the database that prepared it: then every use throws `ERR_DISPOSED`. */
export interface SqliteStatement<Row> {
  /** The first row, or `undefined`. */
  get(...parameters: unknown[]): Row | undefined
  /** All rows. */
  all(...parameters: unknown[]): Row[]
  /** Run it for what it changes; its rows, if it has any, are not read. */
  run(...parameters: unknown[]): SqliteChanges
  /**
   * Row by row. Closed with the transaction, the reader or the database at the latest, and by the next write on its
   * connection, which an abandoned one would block for ever. Reading on after that throws `ERR_DISPOSED`. What a
   * statement with RETURNING writes is written at once, whoever reads its rows.
   */
  iterate(...parameters: unknown[]): IterableIterator<Row> & Disposable
}

/** Rolled back when it is disposed without `commit()`. */
export interface SqliteTransaction {
  /** It never goes back to `open`. */
  readonly state: 'open' | 'committed' | 'rolled back'
  /**
   * A statement of this transaction, dead with it. Rows are plain objects.
   * @throws `ERR_DISPOSED` after its end; what SQLite says about a mistake in the SQL
   */
  // oxlint-disable-next-line typescript/no-explicit-any -- see SqliteDatabase
  prepare<Row = any>(sql: string): SqliteStatement<Row>
  /**
   * Run a script as a part of this transaction.
   * @throws `ERR_SQLITE_MISUSE` for one with BEGIN, COMMIT and the like, before any of it runs
   */
  exec(sql: string): void
  /**
   * Commit. Where that throws, the transaction stays open: repair it and commit again, or let it be rolled back.
   * @throws `ERR_DISPOSED` after its end, `ERR_SQLITE_MISUSE` while a savepoint is open, `ERR_SQLITE_BUSY` where another
   * connection reads a file that is not in WAL mode
   */
  commit(): void
  /**
   * Roll back. Nothing happens where that was done already.
   * @throws `ERR_DISPOSED` after a commit
   */
  rollback(): void
  /**
   * A nested transaction: kept by `commit`, undone on dispose. One at a time.
   * @throws `ERR_SQLITE_MISUSE` while another one is open
   */
  savepoint(): SqliteTransaction & Disposable
}

/** A read-only connection. Given back when it is disposed, and its statements with it. */
export interface SqliteReader {
  /**
   * A statement that reads, dead with the reader. Rows are plain objects.
   * @throws `ERR_SQLITE_MISUSE` for one that writes
   */
  // oxlint-disable-next-line typescript/no-explicit-any -- see SqliteDatabase
  prepare<Row = any>(sql: string): SqliteStatement<Row>
}

/** What a request handler asks for with `scope.get`. */
export interface SqliteResources {
  /** Lifetime `app`. */
  readonly database: Resource<SqliteDatabase>
  /** The request's write transaction, acquired at the first `get`: commits on success, rolls back otherwise. */
  readonly transaction: Resource<SqliteTransaction>
  /** The request's reader. */
  readonly reader: Resource<SqliteReader>
}
